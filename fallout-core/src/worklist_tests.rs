//! What may be asked of a worklist, as tables; and cursors that come back as they went.

use super::*;

fn place(severity: Option<Severity>, at: Option<i64>) -> Place {
    Place { severity, at: at.and_then(DateTime::from_timestamp_micros), id: Uuid::from_u128(7) }
}

#[test]
fn a_cursor_comes_back_as_it_went_out_and_only_to_its_own_list() {
    let filter = Filter { group: Some("Order Ops".into()), ..Filter::default() };
    let table = [
        (Sort::Severity, place(Some(Severity::Sev2), Some(1_700_000_000_123_456))),
        (Sort::Due, place(None, None)),
        (Sort::Due, place(None, Some(-5 + 10))),
        (Sort::Updated, place(None, Some(1))),
    ];
    for (sort, place) in table {
        let text = Cursor::new("t", &filter, sort, place).to_string();
        let cursor: Cursor = text.parse().unwrap();
        assert_eq!(cursor.place("t", &filter, sort), Ok(place), "{text}");
        let other = Filter { all: true, ..filter.clone() };
        let another = if sort == Sort::Age { Sort::Due } else { Sort::Age };
        for foreign in
            [cursor.place("u", &filter, sort), cursor.place("t", &other, sort), cursor.place("t", &filter, another)]
        {
            assert_eq!(foreign, Err(Refused::ForeignCursor), "{text}");
        }
        for cut in (0..text.len()).map(|n| &text[..n]) {
            let read = cut.parse::<Cursor>().and_then(|c| c.place("t", &filter, sort));
            assert!(read.is_err(), "{cut}");
        }
    }
    for broken in ["", "fc-1", "1-0-SEV9-0-0", "2-0-x-x-0", "1-0-x-x-0-0", "ä"] {
        assert_eq!(broken.parse::<Cursor>(), Err(Refused::BrokenCursor), "{broken}");
    }
}

#[test]
fn a_search_is_made_of_words_and_beginnings() {
    let whole = |w: &str| Word::Whole(w.into());
    let no = |w: &str| Err(Refused::NoWord(w.into()));
    let table: [(&str, Result<Vec<Word>, Refused>); 8] = [
        ("fibre", Ok(vec![whole("fibre")])),
        (" ord-1  street ", Ok(vec![whole("ord-1"), whole("street")])),
        ("addr*", Ok(vec![Word::Beginning("addr".into())])),
        ("ad*", Err(Refused::ShortBeginning("ad".into()))),
        ("*", Err(Refused::ShortBeginning(String::new()))),
        ("- fibre", no("-")),
        (" ", Err(Refused::NotPlain("the text"))),
        ("a\u{0}b", Err(Refused::NotPlain("the text"))),
    ];
    for (text, expected) in table {
        assert_eq!(search(text), expected, "{text:?}");
    }
}

#[test]
fn what_cannot_be_an_id_or_a_page_is_refused_by_name() {
    let asked =
        |filter: Filter, limit| Asked { filter, sort: Sort::Age, limit, after: None, hidden: Vec::new() }.check();
    let of = |customer: String| Filter { customer: Some(customer), ..Filter::default() };
    let words = vec![Word::Whole("ab".into()); WORDS_MAX + 1];
    let table = [
        (asked(Filter::default(), 1), Ok(())),
        (asked(of("C-1".into()), LIMIT_MAX), Ok(())),
        (asked(Filter::default(), 0), Err(Refused::Limit(0))),
        (asked(Filter::default(), LIMIT_MAX + 1), Err(Refused::Limit(LIMIT_MAX + 1))),
        (asked(of("x".repeat(10_000)), 1), Err(Refused::TooLong("the customer"))),
        (asked(of("C\u{1b}[2J".into()), 1), Err(Refused::NotPlain("the customer"))),
        (asked(of(String::new()), 1), Err(Refused::NotPlain("the customer"))),
        (asked(Filter { words, ..Filter::default() }, 1), Err(Refused::TooManyWords)),
    ];
    for (said, expected) in table {
        assert_eq!(said, expected);
    }
}

#[test]
fn the_rarest_word_leads_and_the_past_needs_a_rare_one() {
    let many = FREQUENT;
    let of = |counts: &[(i64, i64)], all| {
        let words = vec![Word::Whole("ab".into()); counts.len()];
        Search::of(&Filter { all, words, ..Filter::default() }, counts)
    };
    let search = |open, over| Ok(Search { open, over });
    assert_eq!(of(&[], true), search(None, None));
    assert_eq!(of(&[(3, 9)], true), search(Some(0), Some(0)));
    assert_eq!(of(&[(3, 9), (2, many)], true), search(Some(1), Some(0)));
    assert_eq!(of(&[(many, many)], false), search(None, None));
    assert_eq!(of(&[(5, many)], true), Err(Refused::TooFrequent("ab".into())));
}

#[test]
fn a_state_says_by_itself_which_cases_are_meant() {
    let of = |state, all| Filter { state, all, ..Filter::default() }.halves();
    assert_eq!(of(None, false), (true, false));
    assert_eq!(of(None, true), (true, true));
    let at_risk = Filter { clock: Some(Clock::AtRisk), all: true, ..Filter::default() };
    assert_eq!(at_risk.halves(), (true, false));
    assert_eq!(of(Some(CaseState::Resolved), false), (false, true));
    assert_eq!(of(Some(CaseState::Waiting), true), (true, false));
}

#[test]
fn problems_answer_what_they_have_and_hide_nobody_who_is_looked_for() {
    type Change = fn(&mut Filter);
    let with = |change: Change| {
        let mut filter = Filter::default();
        change(&mut filter);
        filter.of_problems().is_some()
    };
    let table: [(Change, bool); 14] = [
        (|_| (), true),
        (|f| f.all = true, true),
        (|f| f.severity = Some(Severity::Sev1), true),
        (|f| f.category = Some("BILLING".into()), true),
        (|f| f.group = Some("g".into()), true),
        (|f| (f.downstream, f.assignee) = (Some("payment".into()), Some(Assignee::Nobody)), true),
        (|f| f.members = true, false),
        (|f| f.problem = Some("pr-1".into()), false),
        (|f| f.state = Some(CaseState::Waiting), false),
        (|f| f.order = Some("o".into()), false),
        (|f| f.customer = Some("c".into()), false),
        (|f| (f.group, f.service_number) = (Some("g".into()), Some("4711".into())), false),
        (|f| f.clock = Some(Clock::Breached), false),
        (|f| f.words = vec![Word::Whole("fibre".into())], false),
    ];
    for (n, (change, expected)) in table.into_iter().enumerate() {
        assert_eq!(with(change), expected, "row {n}");
    }
}
