-- What people list and search: for each order and each filter of a worklist an index, and the words to find a case by.

-- An index over the cases that are open and another over those that are over, so that the few that are worked on are not
-- looked for among all that ever were. Behind each filter stands the usual order, so a page is read as it lies. The indexes
-- of an order carry what is filtered by, so that a filter that many cases meet is looked at without the cases.
drop index fallout_case_active;
-- Beside the time it is due, and kept with it: between the two it is at risk.
alter table fallout_case add column sla_jeopardy_at timestamptz;
update fallout_case c set sla_jeopardy_at = k.jeopardy_at from case_sla k where k.fallout_case_id = c.id;
do $$
declare
    part record;
begin
    for part in select * from
        (values ('open', 'not in'), ('over', 'in')) as half (name, op),
        (values ('severity', 'severity, created_at, id', true),
                ('due', $c$coalesce(sla_due_at, 'infinity'::timestamptz), id$c$, true),
                ('age', 'created_at, id', true),
                ('updated', 'updated_at, id', true),
                ('state', 'status, severity, created_at, id', false),
                ('category', 'case_type, severity, created_at, id', false),
                ('group', 'assigned_group, severity, created_at, id', false),
                ('downstream', 'external_system, severity, created_at, id', false),
                ('assignee', 'assigned_user, severity, created_at, id', false)) as sorted (what, columns, is_order)
    loop
        execute format($f$create index fallout_case_%s_by_%s on fallout_case (tenant_id, %s) %s
            where status %s ('resolved', 'closed', 'force_closed', 'duplicate')$f$,
            part.name, part.what, part.columns,
            case when part.is_order then 'include (status, case_type, assigned_group, external_system, assigned_user, sla_due_at, sla_jeopardy_at'
                || case when part.what = 'severity' then ')' else ', severity)' end end,
            part.op);
    end loop;
end $$;
-- Orders by the numbers of their services. Personal data: they follow order_item, where they are erased.
create table order_service_number (
    tenant_id text not null,
    number    text not null,
    order_id  uuid not null references product_order (id),
    line_id   text not null,
    primary key (tenant_id, number, order_id, line_id)
);
create index order_service_number_of_line on order_service_number (order_id, line_id);
-- As its owner, so that the program's role needs no right to delete.
create function order_service_numbers_follow() returns trigger language plpgsql security definer as $$
begin
    if tg_op <> 'INSERT' then
        delete from order_service_number where order_id = old.order_id and line_id = old.line_id;
    end if;
    if tg_op = 'DELETE' then
        return null;
    end if;
    insert into order_service_number (tenant_id, number, order_id, line_id)
    select distinct new.tenant_id, number, new.order_id, new.line_id from unnest(new.service_numbers) number
    on conflict do nothing;
    return null;
end $$;
do $$
begin
    execute format('alter function order_service_numbers_follow() set search_path to %I, pg_temp', current_schema());
end $$;
create trigger order_service_numbers_follow after insert or update of service_numbers or delete on order_item
    for each row execute function order_service_numbers_follow();
insert into order_service_number (tenant_id, number, order_id, line_id)
select distinct tenant_id, number, order_id, line_id from order_item, unnest(service_numbers) number;

-- What a shift report counts.
create index fallout_event_by_time on fallout_event (tenant_id, created_at, event_type);

-- A word as it is compared: small letters, without accents, compatible forms made equal, at most 64 characters.
create function worklist_word(given text) returns text language sql immutable parallel safe as $$
    select left(btrim(lower(regexp_replace(normalize(left(given, 256), NFKD), '[\u0300-\u036f]', '', 'g')),
        E' .,;:!?()[]{}<>"''`'), 64)
$$;

-- The words of some texts: 2 characters at least, the first 64 of them, from the first 4,000 characters of each text.
create function worklist_words(variadic given text[]) returns text[] language sql immutable parallel safe as $$
    select coalesce(array_agg(word), '{}') from (
        select word from (
            select worklist_word(w.piece) as word, min(t.n * 10000 + w.n) as place
            from unnest(given) with ordinality t (said, n),
                 regexp_split_to_table(left(t.said, 4000), '\s+') with ordinality w (piece, n)
            group by 1) words
        where length(word) > 1 order by place limit 64) few
$$;

-- Free text is found by whole words or their beginnings, by `=` and range. Other ways of searching text are not leakproof:
-- under row-level security they get no index. Who writes a case writes its words: they are never deleted but by an erasure,
-- so a case is also found by what it was called before. No reference to the case: cases are never deleted, and checking it
-- for each word would cost as much as writing them.
create table case_word (
    tenant_id       text not null,
    -- compared byte by byte, so that a beginning is a range
    word            text collate "C" not null check (word <> ''),
    -- whether the case is open
    open            boolean not null,
    fallout_case_id uuid not null,
    primary key (fallout_case_id, word)
);
create index case_word_of_tenant on case_word (tenant_id, word, open, fallout_case_id);
-- Which words are frequent decides how a search is planned.
alter table case_word alter column word set statistics 1000;

create function case_is_found() returns trigger language plpgsql as $$
begin
    insert into case_word (tenant_id, word, open, fallout_case_id)
    select new.tenant_id, word, new.status not in ('resolved', 'closed', 'force_closed', 'duplicate'), new.id
    from unnest(worklist_words(new.case_number, new.classification_code, new.customer_id, new.external_reference,
        (select external_id from product_order where id = new.related_order_id), new.diagnostic_summary)) as word
    on conflict do nothing;
    return null;
end $$;
create trigger case_is_found after insert on fallout_case for each row execute function case_is_found();
create trigger case_is_found_by_its_new_words
    after update of classification_code, customer_id, external_reference, diagnostic_summary on fallout_case
    for each row when ((old.classification_code, old.customer_id, old.external_reference, old.diagnostic_summary)
        is distinct from (new.classification_code, new.customer_id, new.external_reference, new.diagnostic_summary))
    execute function case_is_found();

create function case_words_follow() returns trigger language plpgsql as $$
begin
    update case_word set open = new.status not in ('resolved', 'closed', 'force_closed', 'duplicate')
    where fallout_case_id = new.id;
    return null;
end $$;
create trigger case_words_follow after update of status on fallout_case
    for each row when ((old.status in ('resolved', 'closed', 'force_closed', 'duplicate'))
        <> (new.status in ('resolved', 'closed', 'force_closed', 'duplicate')))
    execute function case_words_follow();

insert into case_word (tenant_id, word, open, fallout_case_id)
select c.tenant_id, word, c.status not in ('resolved', 'closed', 'force_closed', 'duplicate'), c.id
from fallout_case c left join product_order o on o.id = c.related_order_id,
     unnest(worklist_words(c.case_number, c.classification_code, c.customer_id, c.external_reference, o.external_id,
        c.diagnostic_summary)) as word;
