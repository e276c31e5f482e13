-- Events for whoever listens outside, and the seals that show whether the history is still what was written.

-- Rows of concurrent transactions become visible in any order. Readers go by (transaction, row) and stay below the oldest
-- transaction that still runs: what they have passed cannot grow any more, so nothing is skipped.
alter table fallout_event
    add column tx       xid8 not null default pg_current_xact_id(),
    add column position bigint generated always as identity;
create index fallout_event_in_order on fallout_event (tenant_id, tx, position);
create trigger fallout_event_is_not_truncated before truncate on fallout_event
    for each statement execute function refuse_change();

-- Written with the entry of the timeline that it tells of; rows go when they were handed on.
create table event_outbox (
    -- the event's id outside as well
    id          uuid primary key,
    tenant_id   text not null check (tenant_id <> ''),
    event_type  text not null,
    -- the case, problem or downstream it is about
    subject     text not null check (subject <> ''),
    occurred_at timestamptz not null,
    data        jsonb not null check (jsonb_typeof(data) = 'object'),
    tx          xid8 not null default pg_current_xact_id(),
    position    bigint generated always as identity
);
create index event_outbox_in_order on event_outbox (tx, position);
create trigger event_outbox_is_what_happened before update on event_outbox
    for each row execute function refuse_change();

-- One hash chain per tenant over fallout_event, written afterwards by a controller: a head inside the transaction would
-- make every transaction of a tenant wait for the one before. docs/AUDIT.md says how the bytes are made.
create table audit_seal (
    tenant_id      text not null,
    seq            bigint not null check (seq > 0),
    -- the entries from the place of the seal before (not included) to this place
    up_to_tx       xid8 not null,
    up_to_position bigint not null,
    entries        uuid[] not null check (cardinality(entries) > 0),
    -- 32 bytes for each of the entries
    digests        bytea not null,
    previous       bytea not null check (octet_length(previous) = 32),
    head           bytea not null check (octet_length(head) = 32),
    sealed_at      timestamptz not null default clock_timestamp(),
    primary key (tenant_id, seq),
    check (octet_length(digests) = 32 * cardinality(entries))
);
create trigger audit_seal_is_append_only before update or delete on audit_seal
    for each row execute function refuse_change();
create trigger audit_seal_is_not_truncated before truncate on audit_seal
    for each statement execute function refuse_change();
