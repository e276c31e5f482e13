-- One row of another tenant in every table that has tenants.
insert into product_order (id, tenant_id, external_id, document) values (id(90), 'u', 'o-90', '{}');
insert into order_run (id, tenant_id, order_id, run, business_key, state, process_instance_id, started_at)
values (id(90), 'u', id(90), 1, 'u:o-90:1', 'running', 'p-90', now());
insert into step (id, tenant_id, order_run_id, step_code, direction, operation, process_definition_id, process_instance_id, activity_id, external_task_id)
values (id(90), 'u', id(90), 'step', 'do', 'op', 'd', 'p-90', 'a', 'task');
call decide(90, 1, tenant => 'u');
call attempt(90, 1, 1, tenant => 'u');
insert into evidence (tenant_id, attempt_id, source, detail) values ('u', attempt_id(90, 1), 'exchange', '{}');
insert into fallout_case (id, tenant_id, case_number, case_type, severity, status, source, classification_code, match_key, related_order_id)
values (id(90), 'u', 'fc-90', 'X', 'SEV3', 'classified', 'test', 'X', 'k', id(90));
insert into fallout_event (id, tenant_id, fallout_case_id, event_type, actor_type) values (id(90), 'u', id(90), 'opened', 'system');
insert into case_severity (fallout_case_id, tenant_id, derived, reasons, derived_at) values (id(90), 'u', 'SEV3', '{}', now());
insert into case_sla (fallout_case_id, tenant_id, policy, paused_in) values (id(90), 'u', 'p', '{}');
insert into case_sla_segment (tenant_id, fallout_case_id, kind, from_at) values ('u', id(90), 'running', now());
insert into fallout_recovery_action (id, tenant_id, fallout_case_id, action_type, requested_by, reason, idempotency_key, target_ref)
values (id(90), 'u', id(90), 'RETRY_STEP', 'test', 'test', 'k', '{}');
insert into fallout_external_signal (id, tenant_id, source_system, normalized_signal_type, payload) values (id(90), 'u', 's', 'X', '{}');
insert into engine_command (id, tenant_id, kind, payload) values (id(90), 'u', 'start', '{}');
-- An ended run whose step was archived.
insert into order_run (id, tenant_id, order_id, run, business_key, state, process_instance_id, started_at)
values (id(91), 'u', id(90), 2, 'u:o-90:2', 'running', 'p-91', now());
insert into step (id, tenant_id, order_run_id, step_code, direction, operation, process_definition_id, process_instance_id, activity_id, external_task_id)
values (id(91), 'u', id(91), 'step', 'do', 'op', 'd', 'p-91', 'a', 'task');
update step set state = 'cancelled' where id = id(91);
update order_run set state = 'completed', ended_at = now() where id = id(91);
select archive_run(id(91));
insert into order_context (order_id, tenant_id, customer_id, category) values (id(90), 'u', 'c-90', 'business');
insert into order_item (order_id, line_id, tenant_id, position, action, service_numbers) values (id(90), '1', 'u', 1, 'add', '{+49 1}');
insert into order_event (tenant_id, event_id, order_id, event_type, event_at, told_by)
values ('u', 'e-90', id(90), 'ProductOrderCreateEvent', now(), 'test');
insert into order_personal (month, order_id, tenant_id, part, fields)
values (date_trunc('month', now() at time zone 'UTC'), id(90), 'u', 'taken_in', '{"/note": "x"}');
insert into order_erasure (order_id, tenant_id, erased_by, reason, fields, content_hash, archived_runs)
values (id(90), 'u', 'test', 'test', 1, 'hash', 0);
insert into access_token (id, tenant_id, name, hash, scopes, added_by)
values (id(90), 'u', 'test', sha256('x'), '{orders.write}', 'test');
