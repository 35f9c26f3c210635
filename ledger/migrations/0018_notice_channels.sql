-- Each channel has its own turns, and its own memory of what it was told: one that is away holds up no other, and is told
-- of nothing twice for it. The tables have new names, so that a worker of before sends nothing beside one of now.

create table notice_turns (
    owner text not null,
    channel text not null,
    kind text not null,
    since timestamptz not null default now(),
    sent_at timestamptz,
    constraint notice_turns_pkey primary key (owner, channel, kind)
);

comment on column notice_turns.channel is 'empty: all there were when channels had no names';
comment on column notice_turns.since is 'when notices were first asked for: nobody is told of what happened before';

-- No foreign key: it would keep the events from being what they are, a list that nothing else holds.
create table notices_sent (
    event bigint not null,
    channel text not null,
    at timestamptz not null default now(),
    constraint notices_sent_pkey primary key (event, channel)
);

insert into notice_turns (owner, channel, kind, since, sent_at) select owner, '', kind, since, sent_at from notice_kinds;
insert into notices_sent (event, channel, at) select event, '', at from noticed;
drop table notice_kinds;
drop table noticed;
