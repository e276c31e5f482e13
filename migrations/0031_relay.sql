-- What the relay needs to reach a step's token in any model.

-- Activity id → recovery actions, of activities that stand in a subprocess with branches of its own: several steps may wait in
-- one instance then, and each has the branches of its own subprocess.
alter table definition add column embedded jsonb not null default '{}';

-- An order run's steps by the instance that they wait in: whoever moves an instance to another definition has to say so.
create index step_of_instance on step (process_instance_id) where state in ('running', 'awaiting_callback', 'parked');
