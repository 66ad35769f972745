//! What was acknowledged is in D1; what was refused is not.

use std::collections::BTreeMap;

use super::load::{Kind, Sent, TYPES, items_of_set, score_of, set_of};
use super::support::App;

pub fn everything_acknowledged_is_there<'s>(app: &App, sent: impl Iterator<Item = &'s Sent>) {
    let mut scores = scores(app);
    let mut of_sets: BTreeMap<(u64, u64), Vec<&Sent>> = BTreeMap::new();
    let (mut acknowledged, mut unknown) = (0, 0);
    for sent in sent {
        match sent.kind {
            Kind::Read => {}
            Kind::Bulk => of_sets.entry((sent.n % TYPES, set_of(sent.n))).or_default().push(sent),
            Kind::Write => {
                let found = scores.remove(&format!("w-{}", sent.n));
                let is_there = found == Some(score_of(sent.n));
                if sent.succeeded() {
                    acknowledged += 1;
                    assert!(is_there, "acknowledged, and lost: {sent:?}: {found:?}");
                } else if outcome_is_known(sent) {
                    assert_eq!(found, None, "refused, and there: {sent:?}");
                } else {
                    unknown += u64::from(is_there);
                }
            }
        }
    }
    for ((use_case, set), requests) in of_sets {
        for item in 0..items_of_set(set) {
            check_item(&requests, scores.remove(&format!("b-{use_case}-{set}-{item}")));
        }
    }
    assert!(scores.is_empty(), "scores that nobody sent: {scores:?}");
    println!(
        "{acknowledged} single scores acknowledged and there; {unknown} more are there whose answer was a time-out"
    );
}

/// One score that many requests have written: it must come from one that no later request has replaced.
fn check_item(requests: &[&Sent], found: Option<f64>) {
    let Some(found) = found else {
        assert!(!requests.iter().any(|request| request.succeeded()), "acknowledged, and lost: {requests:?}");
        return;
    };
    let from = requests.iter().find(|request| score_of(request.n) == found).expect("from a request");
    assert!(from.succeeded() || !outcome_is_known(from), "refused, and there: {from:?}");
    let replaced = requests.iter().find(|request| request.succeeded() && request.began > from.ended);
    assert!(replaced.is_none() || !from.succeeded(), "{from:?} is there, but was followed by {replaced:?}");
}

/// Refused before anything was done; else the work may have gone on behind a time-out.
fn outcome_is_known(sent: &Sent) -> bool {
    sent.status == Some(429) || sent.text.contains(r#""overloaded""#)
}

fn scores(app: &App) -> BTreeMap<String, f64> {
    let database = app.service.database();
    let mut rows = database
        .prepare(
            "SELECT x.use_case_id, s.score FROM scores s JOIN instances x USING (type_no, instance_no) \
             JOIN applications a USING (application_no) WHERE a.application_id = ?1",
        )
        .unwrap();
    rows.query_map([&app.id], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}
