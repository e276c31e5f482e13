-- Cases of ten tenants, of which `t` has three fifths; one in twenty is open. How many: the setting `seed.cases`.
-- Written past the triggers, set by set, so that a million of them take minutes; the words are those the trigger writes.
set session_replication_role = replica;

create temporary table seeded as
select n, gen_random_uuid() as id, case when n % 5 in (0, 1, 3) then 't' else 'other-' || n % 9 end as tenant,
       (hashint4(n + 6) & 65535) % 20 = 0 as open, n % 97 as v,
       -- some values are frequent, some rare, and they do not hang together
       (array['PROVISIONING', 'BILLING', 'TIMEOUT_UNKNOWN', 'WORKFLOW_INCIDENT', 'VALIDATION', 'PAYMENT'])[1 + (hashint4(n) & 65535) % 6] as category,
       (array['SEV1', 'SEV2', 'SEV2', 'SEV3', 'SEV3', 'SEV3', 'SEV4', 'SEV4'])[1 + (hashint4(n + 1) & 65535) % 8] as severity,
       (array['classified', 'assigned', 'in_progress', 'waiting', 'recovering'])[1 + (hashint4(n + 2) & 65535) % 5] as state,
       (hashint4(n + 3) & 65535) % 40 as grouped, (hashint4(n + 4) & 65535) % 200 as person,
       (array['inventory', 'billing', 'provisioning', 'payment', 'contract'])[1 + (hashint4(n + 5) & 65535) % 5] as system,
       now() - make_interval(mins => n % 200000) as opened
from generate_series(1, current_setting('seed.cases')::int) n;

insert into product_order (id, tenant_id, external_id, customer_id, document)
select id, tenant, 'ord-' || n, 'C-' || n / 10, '{}' from seeded;

insert into fallout_case (id, tenant_id, case_number, case_type, severity, status, source, classification_code, customer_id,
    related_order_id, business_key, external_system, external_reference, diagnostic_summary, recommended_action, assigned_group,
    assigned_user, sla_due_at, sla_jeopardy_at, match_key, created_at, updated_at, resolved_at, resolution_code, waiting_for, wait_reason)
select id, tenant, 'fc-' || 200000 + n, category, severity, case when open then state else 'resolved' end, 'seed',
    'CODE_' || v, 'C-' || n / 10, id, tenant || ':ord-' || n || ':1', system, 'ref-' || n, 'rejected in street-' || n % 5000 || ' of town-' || v,
    'RETRY_STEP', 'group-' || grouped, case when person < 150 then 'local:u-' || person end,
    case when person % 10 > 0 then opened + make_interval(days => 100 + v % 60) end,
    case when person % 10 > 0 then opened + make_interval(days => 97 + v % 60) end, id::text, opened, opened + make_interval(mins => v),
    case when not open then opened + make_interval(hours => 1) end, case when not open then 'RETRIED' end,
    case when open and state = 'waiting' then 'customer' end, case when open and state = 'waiting' then 'asked' end
from seeded;

insert into case_sla (fallout_case_id, tenant_id, policy, paused_in, jeopardy_at, next_at, told_breach)
select id, tenant, 'office', '{waiting}', opened + make_interval(days => 97 + v % 60), case when open then now() + interval '1 h' end,
       opened + make_interval(days => 100 + v % 60) <= now()
from seeded;

-- Indexes are built at once.
drop index case_word_of_tenant;
alter table case_word drop constraint case_word_pkey;
insert into case_word (tenant_id, word, open, fallout_case_id)
select c.tenant_id, word, s.open, c.id
from seeded s join fallout_case c on c.id = s.id,
     unnest(worklist_words(c.case_number, c.classification_code, c.customer_id, c.external_reference, 'ord-' || s.n,
        c.diagnostic_summary)) as word;
alter table case_word add primary key (fallout_case_id, word);
create index case_word_of_tenant on case_word (tenant_id, open, word, fallout_case_id);

drop table seeded;
set session_replication_role = origin;
vacuum (analyze) product_order, fallout_case, case_sla, case_word;
