//! Tests of `plan`: folding in the order of arrival, and what each item's answer depends on.

use super::*;
use crate::domain::kpi::{Direction, Rules};
use crate::storage::writer::{KnownInstance, OldInstance, Touched, WriterState};

const NOW: i64 = 1_780_000_000_000;

fn kind() -> TypeState {
    let kpi = |kpi_no, name: &str, kpi_type| Kpi {
        kpi_no,
        kpi_id: format!("id-{kpi_no}"),
        name: name.into(),
        description: String::new(),
        rules: Rules { kpi_type, goal: 1.0, direction: Direction::HigherIsBetter, bucket_width: 1.0 },
        unit: None,
        benchmarks: Vec::new(),
        created_ms: 0,
        updated_ms: 0,
    };
    TypeState {
        type_no: 7,
        name: "T".into(),
        application_no: 1,
        type_version: 2,
        versions: vec![(1, 0), (2, 5)],
        kpis: vec![kpi(1, "N", KpiType::Number), kpi(2, "L", KpiType::Likert5)],
        events: Vec::new(),
        writer: WriterState {
            epoch: 1,
            batch_no: 0,
            batch_epoch: 0,
            next_seq: 1,
            touched: Touched::default(),
        },
    }
}

fn item(id: &str, score: Option<f64>, timestamp_ms: Option<i64>) -> ScoreItem {
    ScoreItem {
        index: 0,
        use_case_id: id.into(),
        kpi: KpiRef::Name("N".into()),
        score,
        timestamp_ms,
        comment: None,
        source: None,
        earliest_ms: None,
    }
}

fn write(may_create: bool, items: Vec<ScoreItem>) -> Batchable {
    Batchable::Scores(WriteScores { items, may_create, version: None })
}

/// One write after the other to the same instance; what the batch then says of it: score, timestamp, fresh.
fn folded(writes: &[(Option<f64>, Option<i64>)]) -> (Option<f64>, Option<i64>, bool) {
    let kind = kind();
    let mut plan = Plan::new(&kind, Known::default(), 1);
    for (n, (score, at)) in writes.iter().enumerate() {
        plan.add(&write(true, vec![item("i", *score, *at)]), NOW + n as i64);
    }
    assert_eq!(plan.scores.len(), 1);
    (plan.scores[0].score, plan.scores[0].timestamp_ms, plan.scores[0].fresh)
}

#[test]
fn writes_to_one_score_are_folded_in_the_order_of_their_arrival() {
    assert_eq!(folded(&[(Some(1.0), None), (Some(2.0), None)]), (Some(2.0), None, false));
    assert_eq!(folded(&[(Some(1.0), Some(5)), (Some(2.0), None)]), (Some(2.0), Some(5), false));
    assert_eq!(folded(&[(Some(1.0), Some(5)), (Some(2.0), Some(6))]), (Some(2.0), Some(6), false));
    assert_eq!(folded(&[(Some(1.0), Some(5)), (None, None)]), (None, None, false));
    // A cleared score forgets its timestamp: the next one is of now.
    assert_eq!(folded(&[(None, None), (Some(2.0), None)]), (Some(2.0), Some(NOW + 1), true));
    assert_eq!(
        folded(&[(None, None), (Some(2.0), None), (Some(3.0), None)]),
        (Some(3.0), Some(NOW + 1), true)
    );
}

#[test]
fn increments_see_what_stands_before_them_in_the_batch() {
    let kind = kind();
    let mut known = Known::default();
    known.scores.insert(("i".into(), 1), 10.0);
    let instance = KnownInstance {
        type_no: 7,
        instance_no: 1,
        version: 1,
        created_ms: 0,
        properties: Properties::new(),
    };
    known.instances.insert("i".into(), instance);
    let mut plan = Plan::new(&kind, known, 1);
    let mut increment = |by: f64| {
        let command = Increment {
            use_case_id: "i".into(),
            kpi: "N".into(),
            by,
            may_create: false,
            version: None,
            timestamp_ms: None,
            idempotency: None,
        };
        match plan.add(&Batchable::Increment(command), NOW) {
            Fate::IfInstance { answer, .. } => answer,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(increment(1.0), r#"{"score":11.0}"#);
    assert_eq!(increment(2.0), r#"{"score":13.0}"#);
    plan.add(&write(true, vec![item("i", None, None)]), NOW);
    assert_eq!(plan.scores[0].score, None);
}

#[test]
fn a_write_that_may_not_make_an_instance_keeps_later_ones_out_of_its_batch() {
    let kind = kind();
    let mut plan = Plan::new(&kind, Known::default(), 1);
    plan.add(&write(false, vec![item("i", Some(1.0), None)]), NOW);
    assert!(plan.admits(&write(false, vec![item("i", Some(2.0), None)])));
    assert!(!plan.admits(&write(true, vec![item("i", Some(2.0), None)])));
    assert!(plan.admits(&write(true, vec![item("j", Some(2.0), None)])));
}

#[test]
fn an_instance_elsewhere_costs_only_its_own_item() {
    let kind = kind();
    let mut plan = Plan::new(&kind, Known::default(), 1);
    let items = ["here", "elsewhere", "new"]
        .into_iter()
        .enumerate()
        .map(|(index, id)| ScoreItem { index, ..item(id, Some(1.0), None) })
        .collect();
    let fate = plan.add(&write(true, items), NOW);
    let mut before = Before::default();
    before
        .instances
        .insert(0, OldInstance { type_no: 7, version: 1, created_ms: 0, live_scores: 0, pairs: vec![] });
    before
        .instances
        .insert(1, OldInstance { type_no: 8, version: 1, created_ms: 0, live_scores: 0, pairs: vec![] });
    let presence_of = |place: usize| presence(7, &plan.instances[place], place, &before);
    let report: WriteReport =
        serde_json::from_str(&settle(fate, &plan.instances, &presence_of).unwrap()).unwrap();
    let errors: Vec<_> = report.errors.iter().map(|(index, refusal)| (*index, refusal.code)).collect();
    assert_eq!(errors, vec![(1, Code::InstanceInOtherUseCase)]);
}

#[test]
fn an_instance_is_made_at_the_earliest_timestamp_of_its_request() {
    let kind = kind();
    let mut plan = Plan::new(&kind, Known::default(), 5);
    let items = vec![
        item("i", Some(1.0), Some(NOW - 10)),
        item("i", Some(1.0), Some(NOW - 20)),
        item("j", Some(1.0), None),
    ];
    plan.add(&write(true, items), NOW);
    let made: Vec<_> =
        plan.instances.iter().map(|i| (i.created_ms, i.version, i.instance_no & 0xff)).collect();
    assert_eq!(made, vec![(NOW - 20, 2, 5), (NOW, 2, 6)]);
    assert_eq!(plan.next_seq(), 7);
}

#[test]
fn instance_numbers_keep_their_slot_when_the_sequence_wraps() {
    assert_eq!(instance_no(3, (1 << 30) + 4), (3 << 30) | 4);
    assert!(instance_no(8_388_607, (1 << 30) - 1) < 1 << 53);
}
