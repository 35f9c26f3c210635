-- When a forge or a remote that is away is asked again: `status` said that it is, and not when.

alter table directives add column again jsonb not null default '{}';

comment on column directives.again is 'when what fails, and a look at the pull request, is tried again, by the same names';
