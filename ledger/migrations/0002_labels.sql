-- A step may ask for a daemon with a label; a daemon says how it keeps its agents apart from its machine.

alter table steps add column label text not null default '';
alter table steps alter column label drop default;

alter table daemons add column sandbox text not null default '';
alter table daemons alter column sandbox drop default;
