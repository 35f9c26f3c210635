-- What the state of directives on remotes is authenticated with (docs/decisions/0010). Directives that were started
-- before have none, and go on as they are.

alter table directives add column authenticated boolean not null default false;

-- A table of its own: whoever may only read the record reads everything but this.
create table directive_secrets (
    directive_id uuid constraint directive_secrets_pkey primary key
        constraint directive_secrets_of_directive references directives (id),
    secret text not null,
    constraint directive_secrets_filled check (secret <> '')
);

comment on table directive_secrets is 'what the state of directives on remotes is authenticated with';

alter table daemons add column features text[] not null default '{}';
