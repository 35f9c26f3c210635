-- Retention: what happened to a directive that has ended may be forgotten, and nothing else ever.

create function refuse_event_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and current_setting('makima.pruning', true) = old.directive_id::text and exists (
        select from directives where id = old.directive_id and status in ('completed', 'failed', 'archived')
    ) then
        return old;
    end if;
    raise exception 'events are only ever appended' using errcode = 'restrict_violation';
end
$$;

drop trigger events_append_only on events;
create trigger events_append_only before update or delete on events
    for each row execute function refuse_event_change();
