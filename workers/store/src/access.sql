-- Policies and grants, from what the schema is now. Run by the owner of the tables after every migration and whenever a
-- role is let in; safe to repeat. `fallout.program` names the role that the program connects as; empty: the owner itself.
do $access$
declare
    t record;
    f regprocedure;
    may text;
    program text := nullif(current_setting('fallout.program', true), '');
    -- The only tables from which the program deletes; a test compares them with its statements.
    deletes constant text[] := array['event_outbox', 'group_member', 'order_event', 'order_personal'];
    -- Not the program's to touch.
    closed constant text[] := array['reader_login', '_sqlx_migrations'];
begin
    perform pg_advisory_xact_lock(hashtext('fallout.access'));

    -- Row-level security, on every table whose rows belong to a tenant, for its owner too. One tenant by `=`, or one of our
    -- own services. Not in sub-selects, which would read the settings once per statement: that costs each statement of the
    -- fleet 14 us (measured) and saves a row 0.1 us.
    for t in
        select c.relname as name, c.relrowsecurity and c.relforcerowsecurity as forced,
               exists (select from pg_policy p where p.polrelid = c.oid and p.polname = 'tenant_scope') as scoped,
               exists (select from pg_policy p where p.polrelid = c.oid and p.polname = 'login_scope') as by_login
        from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
        where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p')
    loop
        if not t.scoped then
            execute format($$create policy tenant_scope on %I using (
                tenant_id = current_setting('fallout.tenant', true)
                or current_setting('fallout.service', true) <> '')$$, t.name);
        end if;
        -- The views run as the owner: what they may see beyond that is what the login's tenant has.
        if not t.by_login then
            execute format($$create policy login_scope on %I for select to current_user
                using (tenant_id = (select fallout_v1.tenant()))$$, t.name);
        end if;
        if not t.forced then
            execute format('alter table %I enable row level security, force row level security', t.name);
        end if;
    end loop;

    -- What runs as the owner is for the program alone.
    for f in select oid::regprocedure from pg_proc where pronamespace = current_schema()::regnamespace and prosecdef loop
        execute format('revoke execute on function %s from public', f);
        if program is not null then
            execute format('grant execute on function %s to %I', f, program);
        end if;
    end loop;

    if program is not null and program <> current_user then
        execute format('grant usage on schema %I to %I', current_schema(), program);
        for t in
            select c.oid, c.relname as name, exists (select from pg_trigger g join pg_proc p on p.oid = g.tgfoid
                where g.tgrelid = c.oid and p.proname = 'refuse_change' and g.tgtype & 16 <> 0 /* for updates */ and g.tgattr = '' and g.tgqual is null) as append_only
            from pg_class c where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p')
        loop
            may := case when t.name = '_sqlx_migrations' then 'select'
                when t.name = any (closed) then null
                else concat_ws(', ', 'select', 'insert', case when not t.append_only then 'update' end,
                    case when t.name = any (deletes) then 'delete' end) end;
            execute format('revoke all on %I from %I', t.name, program);
            if may is not null then
                execute format('grant %s on %I to %I', may, t.name, program);
            end if;
        end loop;
        execute format('grant usage on all sequences in schema %I to %I', current_schema(), program);
    end if;

    for t in select login from reader_login join pg_roles on rolname = login loop
        execute format('grant usage on schema fallout_v1 to %I', t.login);
        execute format('grant select on all tables in schema fallout_v1 to %I', t.login);
    end loop;
end $access$;
