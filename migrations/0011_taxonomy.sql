-- The taxonomy as it was at each moment: whole versions, never changed, so that an old case can be read with the words of
-- its time. What holds for everybody has the tenant ''; a tenant with a file of its own has its own versions.

create table taxonomy_version (
    id             uuid primary key,
    tenant_id      text not null,
    version        int not null check (version > 0),
    -- of the tenant's own file; 0: there is none
    tenant_version int not null check (tenant_version >= 0),
    content        jsonb not null,
    loaded_by      text not null check (loaded_by <> ''),
    loaded_at      timestamptz not null default now(),
    unique (tenant_id, version, tenant_version),
    constraint taxonomy_of_everybody_or_of_a_tenant check ((tenant_id = '') = (tenant_version = 0))
);
create trigger taxonomy_version_is_append_only before update or delete on taxonomy_version
    for each row execute function refuse_change();

create table taxonomy_category (
    version_id         uuid not null references taxonomy_version (id),
    tenant_id          text not null,
    code               text not null,
    name               text not null,
    example            text not null,
    owner_group        text not null,
    recovery_style     text not null,
    allowed_actions    text[] not null,
    recommended_action text not null,
    severity           text not null,
    sla_policy         text not null,
    sla_hours          int not null,
    customer_state     text not null,
    runbook            text not null,
    precedence         int not null,
    primary key (version_id, code),
    -- no code without owner, clock, action and runbook, whoever writes
    constraint taxonomy_category_is_whole check ('' not in (owner_group, sla_policy, customer_state, runbook)
        and sla_hours > 0 and recommended_action = any (allowed_actions))
);
create trigger taxonomy_category_is_append_only before update or delete on taxonomy_category
    for each row execute function refuse_change();

create table taxonomy_classification (
    version_id         uuid not null,
    tenant_id          text not null,
    code               text not null,
    category           text not null,
    summary            text not null,
    recommended_action text,
    severity           text,
    precedence         int,
    own_case           boolean not null,
    maps               text[] not null,
    primary key (version_id, code),
    foreign key (version_id, category) references taxonomy_category (version_id, code)
);
create trigger taxonomy_classification_is_append_only before update or delete on taxonomy_classification
    for each row execute function refuse_change();
