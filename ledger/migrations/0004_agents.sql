-- An attempt that waits knows the session to go on with; a daemon says which of its agents' accounts have to wait.

alter table tasks add column refused_until jsonb not null default '{}';
alter table tasks alter column refused_until drop default;
alter table tasks add column resume jsonb;

alter table daemons add column parked text[] not null default '{}';
alter table daemons alter column parked drop default;
