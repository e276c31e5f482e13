//! Worklists at a million cases: how long a page takes inside Postgres, as the program's role under row-level security.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use fallout_core::{
    authority::{Extent, Sight},
    case::{CaseState, Severity},
    worklist::{Asked, Assignee, Clock, Filter, Place, Search, Sort, Word},
};
use fallout_store::{Scope, Store, Tx, worklist};

/// The tenant with three fifths of all cases.
const TENANT: &str = "t";
/// Each kind of question is asked so often, each time for another value.
const EACH: usize = 25;
/// As many as `case list` shows.
const PAGE: i64 = 50;
const SEED: &str = include_str!("worklist.sql");

/// Seeds `cases` of which one in twenty is open, through `admin_url` (a superuser), into the database of `store`, which
/// is migrated and has no cases yet; then asks. The answer is the 99th percentile in ms, planning included.
pub async fn run(store: &Store, admin_url: &str, cases: u32) -> Result<f64> {
    seed(admin_url, cases)?;
    let mut all = Vec::new();
    for (name, filter, sort) in questions() {
        let mut took = Vec::new();
        for n in 0..EACH {
            let filter = filter(n);
            // Every third time a later page.
            let after = if n % 3 == 2 { second(store, &filter, sort).await? } else { None };
            let asked = Asked { filter, sort, limit: PAGE, after, hidden: Vec::new() };
            took.push(ask(store, &asked).await?);
        }
        // What is cold is read from the disk the first time, and that is not what is asked here.
        took.remove(0);
        took.sort_by(f64::total_cmp);
        let (middle, most) = (took[took.len() / 2], took[took.len() - 1]);
        eprintln!("  {name:<46} {middle:6.2} ms, at most {most:6.2} ms");
        all.extend(took);
    }
    all.extend(piece_by_piece(store).await?);
    all.sort_by(f64::total_cmp);
    Ok(all[all.len() * 99 / 100])
}

/// As somebody who sees three groups and a customer, and nothing beyond: all pieces of a page together.
async fn piece_by_piece(store: &Store) -> Result<Vec<f64>> {
    let mut took = Vec::new();
    for n in 0..EACH {
        let group = |n: usize| Extent::Group(format!("group-{}", n % 40));
        let extents = vec![group(n), group(n + 1), group(n + 2), Extent::Customer(format!("C-{}", n * 100))];
        let mut ms = 0.0;
        for filter in Sight::Within(extents).narrowed(&Filter::default()) {
            let sort = Sort::ALL[n % Sort::ALL.len()];
            ms += ask(store, &Asked { filter, sort, limit: PAGE, after: None, hidden: Vec::new() }).await?;
        }
        took.push(ms);
    }
    took.remove(0);
    took.sort_by(f64::total_cmp);
    let (middle, most) = (took[took.len() / 2], took[took.len() - 1]);
    eprintln!("  {:<46} {middle:6.2} ms, at most {most:6.2} ms", "three groups and a customer, piece by piece");
    Ok(took)
}

fn seed(admin_url: &str, cases: u32) -> Result<()> {
    eprintln!("seeding {cases} cases ...");
    let set = format!("set seed.cases = {cases}");
    let mut psql = Command::new("psql");
    psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", &set, "-f", "-", admin_url]).stdin(Stdio::piped());
    let mut running = psql.spawn().context("psql is needed to seed the bench")?;
    std::io::Write::write_all(&mut running.stdin.take().context("the input of psql")?, SEED.as_bytes())?;
    ensure!(running.wait()?.success(), "psql did not seed the cases");
    Ok(())
}

async fn ask(store: &Store, asked: &Asked) -> Result<f64> {
    let mut tx = store.begin(&Scope::Tenant(TENANT.into())).await?;
    let search = search(&mut tx, &asked.filter).await?;
    let (ms, plan) = worklist::plan(&mut tx, TENANT, asked, &search).await?;
    tx.commit().await?;
    if ms > 5.0 && std::env::var_os("FALLOUT_BENCH_PLANS").is_some() {
        eprintln!("{ms} ms: {asked:?}: {plan}");
    }
    Ok(ms)
}

async fn search(tx: &mut Tx, filter: &Filter) -> Result<Search> {
    let counts = worklist::frequencies(tx, TENANT, filter).await?;
    Ok(Search::of(filter, &counts)?)
}

/// Where the second page of a list begins, if it has one.
async fn second(store: &Store, filter: &Filter, sort: Sort) -> Result<Option<Place>> {
    let asked = Asked { filter: filter.clone(), sort, limit: PAGE, after: None, hidden: Vec::new() };
    let mut tx = store.begin(&Scope::Tenant(TENANT.into())).await?;
    let search = search(&mut tx, filter).await?;
    let page = worklist::page(&mut tx, TENANT, &asked, &search).await?;
    tx.commit().await?;
    let Some(last) = page.last().filter(|_| page.len() as i64 == PAGE) else { return Ok(None) };
    let at = match sort {
        Sort::Severity | Sort::Age => Some(last.created_at),
        Sort::Due => last.sla_due_at,
        Sort::Updated => Some(last.updated_at),
    };
    let severity = if sort == Sort::Severity { Some(last.severity.parse()?) } else { None };
    Ok(Some(Place { severity, at, id: last.id }))
}

type Question = (&'static str, Box<dyn Fn(usize) -> Filter>, Sort);

fn questions() -> Vec<Question> {
    const CATEGORIES: [&str; 6] =
        ["PROVISIONING", "BILLING", "TIMEOUT_UNKNOWN", "WORKFLOW_INCIDENT", "VALIDATION", "PAYMENT"];
    const SYSTEMS: [&str; 5] = ["inventory", "billing", "provisioning", "payment", "contract"];
    fn category(n: usize) -> Option<String> {
        Some(CATEGORIES[n % 6].into())
    }
    fn group(n: usize) -> Option<String> {
        Some(format!("group-{}", n % 40))
    }
    fn with(change: impl Fn(usize, &mut Filter) + 'static) -> Box<dyn Fn(usize) -> Filter> {
        Box::new(move |n| {
            let mut filter = Filter::default();
            change(n, &mut filter);
            filter
        })
    }
    fn word(text: String) -> Vec<Word> {
        vec![Word::Whole(text)]
    }
    let mut questions: Vec<Question> = vec![
        ("state", with(|n, f| f.state = Some([CaseState::Waiting, CaseState::Assigned][n % 2])), Sort::Severity),
        ("state, over", with(|_, f| f.state = Some(CaseState::Resolved)), Sort::Severity),
        ("severity, by due", with(|n, f| f.severity = Some(Severity::ALL[n % 4])), Sort::Due),
        ("category", with(|n, f| f.category = category(n)), Sort::Severity),
        ("category, by due", with(|n, f| f.category = category(n)), Sort::Due),
        ("group", with(|n, f| f.group = group(n)), Sort::Severity),
        ("group, latest first", with(|n, f| f.group = group(n)), Sort::Updated),
        ("group, over too, latest first", with(|n, f| (f.group, f.all) = (group(n), true)), Sort::Updated),
        ("downstream, oldest first", with(|n, f| f.downstream = Some(SYSTEMS[n % 5].into())), Sort::Age),
        (
            "category and downstream",
            with(|n, f| (f.category, f.downstream) = (category(n), Some(SYSTEMS[n % 5].into()))),
            Sort::Severity,
        ),
        ("group and category, by due", with(|n, f| (f.group, f.category) = (group(n), category(n))), Sort::Due),
        ("one person's", with(|n, f| f.assignee = Some(Assignee::User(format!("local:u-{n}")))), Sort::Severity),
        ("one person's, by due", with(|n, f| f.assignee = Some(Assignee::User(format!("local:u-{n}")))), Sort::Due),
        ("nobody's, by due", with(|_, f| f.assignee = Some(Assignee::Nobody)), Sort::Due),
        (
            "nobody's of a group",
            with(|n, f| (f.assignee, f.group) = (Some(Assignee::Nobody), group(n))),
            Sort::Severity,
        ),
        ("breached", with(|_, f| f.clock = Some(Clock::Breached)), Sort::Severity),
        ("breached of a group, by due", with(|n, f| (f.clock, f.group) = (Some(Clock::Breached), group(n))), Sort::Due),
        ("at risk", with(|_, f| f.clock = Some(Clock::AtRisk)), Sort::Severity),
        ("at risk of a group, by due", with(|n, f| (f.clock, f.group) = (Some(Clock::AtRisk), group(n))), Sort::Due),
        (
            "an order, over too",
            with(|n, f| (f.order, f.all) = (Some(format!("ord-{}", n * 1000)), true)),
            Sort::Severity,
        ),
        ("a customer, over too", with(|n, f| (f.customer, f.all) = (Some(format!("C-{}", n * 100)), true)), Sort::Age),
        ("a reference", with(|n, f| f.external_reference = Some(format!("ref-{}", n * 20_000))), Sort::Severity),
        ("a service number", with(|n, f| f.service_number = Some(n.to_string())), Sort::Severity),
        ("a rare word, over too", with(|n, f| (f.words, f.all) = (word(format!("street-{n}")), true)), Sort::Severity),
        ("a word of one in a hundred", with(|n, f| f.words = word(format!("town-{n}"))), Sort::Severity),
        ("a word of one in a hundred, by due", with(|n, f| f.words = word(format!("code_{n}"))), Sort::Due),
        ("a word of all", with(|_, f| f.words = word("rejected".into())), Sort::Severity),
        (
            "a rare word, over too, latest first",
            with(|n, f| (f.words, f.all) = (word(format!("street-{n}")), true)),
            Sort::Updated,
        ),
        (
            "two words",
            with(|n, f| f.words = [word(format!("town-{n}")), word("rejected".into())].concat()),
            Sort::Severity,
        ),
        ("a beginning", with(|n, f| f.words = vec![Word::Beginning(format!("street-{n}"))]), Sort::Severity),
        ("a word and a group", with(|n, f| (f.words, f.group) = (word(format!("town-{n}")), group(n))), Sort::Severity),
    ];
    for sort in Sort::ALL {
        questions.push(("everything open", with(|_, _| ()), *sort));
        questions.push(("everything", with(|_, f| f.all = true), *sort));
    }
    questions
}
