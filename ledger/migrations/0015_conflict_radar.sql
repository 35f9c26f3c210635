-- Steps that run beside each other are merged in memory by their daemons (rule 6.14).

alter table attempts add column saved jsonb;
alter table attempts add column clashes jsonb not null default '[]';

comment on column attempts.saved is 'the last checkpoint that its daemon told of while it ran; null: none';

comment on column attempts.clashes is 'what git could not merge of it and of what ran beside it, by its daemon''s last word';
