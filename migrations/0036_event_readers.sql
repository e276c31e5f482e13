-- Who hands events on, how far they are, and the door through which others read them.

-- One place for each reader of the outbox. One process at a time hands on, so that what belongs together stays in order; a
-- lease and no lock, since a transaction that stays open holds every reader back.
create table event_reader (
    name        text primary key check (name <> ''),
    -- the last event that was handed on
    tx          xid8 not null default '0',
    position    bigint not null default 0,
    holder      uuid,
    lease_until timestamptz,
    moved_at    timestamptz,
    constraint reader_is_held_for_a_time check ((holder is null) = (lease_until is null))
);

create function reader_goes_on() returns trigger language plpgsql as $$
begin
    if (new.tx, new.position) < (old.tx, old.position) then
        perform ledger_refuse('reader_goes_on', format('reader %s has handed on what it would go back to', old.name));
    end if;
    return new;
end $$;
create trigger reader_goes_on before update on event_reader for each row execute function reader_goes_on();

-- Up to where a tenant's events were deleted: whoever would go on below it is told so, and skips nothing unknowingly.
create table event_pruned (
    tenant_id text primary key check (tenant_id <> ''),
    tx        xid8 not null,
    position  bigint not null
);

-- One tenant's events, for the door.
create index event_outbox_of_tenant on event_outbox (tenant_id, tx, position);

alter table access_token
    drop constraint access_token_scopes_are_known,
    add constraint access_token_scopes_are_known check (cardinality(scopes) > 0
        and scopes <@ array['orders.write', 'signals.write', 'callbacks.write', 'read', 'cases.act', 'events.read']);
