-- For psql, as Postgres' superuser: a role and its databases for Temporal, a role and its database for Makima.
-- May be run again at any time; it brings the passwords to what the environment says.
\getenv temporal_password TEMPORAL_DB_PASSWORD
\getenv makima_password MAKIMA_DB_PASSWORD

select 'create role temporal' where not exists (select from pg_roles where rolname = 'temporal') \gexec
select 'create role makima_app' where not exists (select from pg_roles where rolname = 'makima_app') \gexec
alter role temporal login password :'temporal_password';
alter role makima_app login password :'makima_password';

select format('create database %I owner %I', name, owner)
from (
    values ('temporal', 'temporal'), ('temporal_visibility', 'temporal'), ('makima', 'makima_app')
) as wanted (name, owner)
where not exists (select from pg_database where datname = wanted.name) \gexec

-- Else every role may connect to every database.
revoke all on database temporal, temporal_visibility, makima from public;
