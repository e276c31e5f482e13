-- Evidence of what was done outside: files that belong to a case, kept with their hash.

create table case_evidence (
    id              uuid primary key,
    tenant_id       text not null check (tenant_id <> ''),
    fallout_case_id uuid not null references fallout_case (id),
    name            text not null check (name <> '' and length(name) <= 200),
    media_type      text not null check (media_type <> '' and length(media_type) <= 100),
    size_bytes      int not null check (size_bytes between 1 and 1048576),
    sha256          text not null check (sha256 ~ '^[0-9a-f]{64}$'),
    -- null once the personal data of its order were erased: that it was there, and its hash, stay
    content         bytea,
    added_by        text not null check (added_by <> ''),
    added_at        timestamptz not null default clock_timestamp(),
    erased_at       timestamptz,
    unique (fallout_case_id, sha256),
    constraint evidence_is_what_its_hash_says check (content is null or encode(sha256(content), 'hex') = sha256 and length(content) = size_bytes),
    constraint evidence_is_there_or_erased check ((content is null) = (erased_at is not null))
);
create index case_evidence_of_case on case_evidence (fallout_case_id, added_at);

-- Nothing of it changes but that its content goes, once.
create function case_evidence_is_kept() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE'
       or (new.id, new.tenant_id, new.fallout_case_id, new.name, new.media_type, new.size_bytes, new.sha256, new.added_by, new.added_at)
          is distinct from (old.id, old.tenant_id, old.fallout_case_id, old.name, old.media_type, old.size_bytes, old.sha256, old.added_by, old.added_at)
       or old.erased_at is not null or new.content is not null then
        perform ledger_refuse('case_evidence_is_kept', 'evidence of a case stays as it was added; only its content is erased, with the personal data of its order');
    end if;
    return new;
end $$;
create trigger case_evidence_is_kept before update or delete on case_evidence
    for each row execute function case_evidence_is_kept();
create trigger case_evidence_is_not_truncated before truncate on case_evidence
    for each statement execute function refuse_change();
