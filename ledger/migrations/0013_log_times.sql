-- Who did a delivery, and when the lines of its log were written (rule 6.11).

alter table deliveries add column agent text not null default '';

alter table task_logs add column times jsonb not null default '[]';
comment on column task_logs.times is 'pairs of a byte and the second, by its daemon, from which on what begins there was written';
