-- What people do to parked tasks in the engine: the step that a task stood for, and those to look after. Partial, so that
-- the steps that never park pay nothing.
create index step_parked_task on step (external_task_id) where state = 'parked';
create index step_parked on step (updated_at) where state = 'parked';
