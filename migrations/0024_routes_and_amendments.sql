-- Another route for a step: the operation that it is performed by from an action on. `operation` stays what its latest intent
-- was made by, so that what reasons about an effect (lookup, undo) reads the operation that made it.

alter table step add column route text check (route <> '');

create function step_route_may_change() returns trigger language plpgsql as $$
begin
    -- A new epoch is the proof that an action took effect.
    if new.route is distinct from old.route and new.epoch <> old.epoch + 1 then
        perform ledger_refuse('step_route_by_action', format('step %s takes another route only by an action', old.id));
    end if;
    if new.operation <> old.operation and new.operation is distinct from new.route then
        perform ledger_refuse('step_operation_by_route', format('step %s is performed by %s; only its route changes that', old.id, old.operation));
    end if;
    return new;
end $$;
create trigger step_route_may_change before update on step for each row
    when (new.route is distinct from old.route or new.operation <> old.operation)
    execute function step_route_may_change();

-- An order that its owner changed while it is fulfilled. `product_order.document` is what steps are rendered from, so it becomes
-- the owner's; what it was stays here, without what is personal of it.
create table order_amendment (
    id           uuid primary key,
    tenant_id    text not null check (tenant_id <> ''),
    order_run_id uuid not null references order_run (id),
    -- counts the amendments of a run
    version      int not null check (version > 0),
    was          jsonb not null,
    asked_by     text not null check (asked_by <> ''),
    reason       text not null check (reason <> ''),
    amended_at   timestamptz not null default clock_timestamp(),
    unique (order_run_id, version)
);
create trigger order_amendment_is_append_only before update or delete on order_amendment
    for each row execute function refuse_change();
