-- How far a directive is with keeping its budget (rule 2.10); the budget itself is one of its settings.

alter table directives add column budgeting jsonb not null default '{}';
