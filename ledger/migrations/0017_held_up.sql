-- What tasks try again for as long as a forge or a remote is away: nobody saw why nothing went on.

alter table directives add column held_up jsonb not null default '{}';

comment on column directives.held_up is 'why tasks fail at what they try again, by the first 8 hex digits of a task''s id';
