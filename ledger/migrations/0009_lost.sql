-- What a worker has seen of the workflows: so that the operator's commands that only read need no Temporal.

alter table directives add column lost text not null default '';

comment on column directives.lost is 'how its workflow ended, where that left the directive unfinished; a write empties it';

create table workflow_checks (
    single boolean default true constraint workflow_checks_pkey primary key,
    checked_at timestamptz not null,
    constraint workflow_checks_one check (single)
);

comment on table workflow_checks is 'when a worker last looked which workflows have ended before their time';
