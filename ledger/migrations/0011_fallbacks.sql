-- Which agents a step may have, whose turn a task is, and which of them an attempt was by (rule 5.9).

alter table steps add column agent jsonb;
alter table tasks add column agents jsonb not null default '{}';
alter table attempts add column agents jsonb not null default '{}';

comment on column attempts.agents is 'agent → what it has used; empty: none has ended a turn yet, or nobody wrote it down';
