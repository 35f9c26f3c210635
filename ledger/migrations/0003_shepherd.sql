-- What is known of pull requests, and how they are looked after (SPEC 7).

alter table directives
    add column shepherding jsonb not null default '{}',
    add column merged jsonb not null default '{}';

alter table steps
    add column shipped_in integer not null default 0,
    add column fix jsonb;

alter table tasks add column usage jsonb;

alter table pull_requests
    add column number integer not null default 0,
    add column version integer not null default 1;

-- Makima itself asks, too: such a question belongs to no task, and names the directive in its place.
alter table questions
    add column topic text not null default '',
    drop constraint questions_of_task;

comment on column steps.fix is 'what makes it one of the shepherd''s: where it starts, what it merges, whom it answers';
comment on column questions.task is 'the directive where Makima itself asks';
