-- What may be done with an order commercially, as it was at each moment: whole versions, never changed (see 0011), and which
-- policy of which version allowed an action.

create table policy_version (
    id             uuid primary key,
    -- '': everybody
    tenant_id      text not null,
    version        int not null check (version > 0),
    -- of the tenant's own file; 0: there is none
    tenant_version int not null check (tenant_version >= 0),
    content        jsonb not null,
    loaded_by      text not null check (loaded_by <> ''),
    loaded_at      timestamptz not null default now(),
    unique (tenant_id, version, tenant_version),
    constraint policies_of_everybody_or_of_a_tenant check ((tenant_id = '') = (tenant_version = 0))
);
create trigger policy_version_is_append_only before update or delete on policy_version
    for each row execute function refuse_change();

create table policy (
    version_id uuid not null references policy_version (id),
    tenant_id  text not null,
    kind       text not null check (kind in ('cancellation', 'route', 'revision', 'penalty')),
    code       text not null check (code <> ''),
    summary    text not null check (summary <> ''),
    rank       int not null check (rank >= 0),
    -- for which orders, and what it says of them
    terms      jsonb not null,
    primary key (version_id, kind, code)
);
create trigger policy_is_append_only before update or delete on policy
    for each row execute function refuse_change();

-- By which policies an action is allowed ({kind, code, version} each), by which route, and what it costs.
alter table fallout_recovery_action add column terms jsonb check (jsonb_typeof(terms) = 'object');
