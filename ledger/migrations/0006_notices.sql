-- Which events people were told of, and when: the event list is the outbox of all notices.

create table notice_kinds (
    owner text not null,
    kind text not null,
    since timestamptz not null default now(),
    sent_at timestamptz,
    constraint notice_kinds_pkey primary key (owner, kind)
);

comment on column notice_kinds.since is 'when notices were first asked for: nobody is told of what happened before';

-- No foreign key: it would keep the events from being what they are, a list that nothing else holds.
create table noticed (
    event bigint constraint noticed_pkey primary key,
    at timestamptz not null default now()
);

create index events_by_time on events (recorded_at);
