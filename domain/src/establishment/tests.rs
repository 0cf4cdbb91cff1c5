//! Given these events, when this command comes, then these events follow.

use super::*;
use chrono::NaiveDate;
use cqrs_es::test::TestFramework;
use uuid::Uuid;

type GivenWhenThen = TestFramework<Establishment>;

fn uai() -> Uai {
    "0210001A".parse().expect("a UAI")
}

fn run(n: u128) -> ImportId {
    ImportId(Uuid::from_u128(n))
}

fn exported(day: u32) -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2026, 9, day).and_then(|date| date.and_hms_opt(8, 0, 0)).expect("a moment")
}

fn registered() -> EstablishmentEvent {
    EstablishmentEvent::EstablishmentRegistered { uai: uai(), name: None, academie: None, degree: Degree::Second }
}

fn started(n: u128, day: u32) -> EstablishmentEvent {
    EstablishmentEvent::SchoolDataImportStarted {
        import: run(n),
        format: ExportFormat::Siecle,
        school_year: 2026,
        exported_at: exported(day),
        digests: vec![format!("{day}")],
    }
}

fn begin(n: u128, day: u32, allow_older: bool) -> EstablishmentCommand {
    EstablishmentCommand::BeginImport {
        import: run(n),
        format: ExportFormat::Siecle,
        school_year: 2026,
        exported_at: exported(day),
        digests: vec![format!("{day}")],
        allow_older,
    }
}

fn complete(n: u128) -> EstablishmentCommand {
    EstablishmentCommand::CompleteImport { import: run(n), counts: ImportCounts::default() }
}

fn describe(name: Option<&str>) -> EstablishmentCommand {
    EstablishmentCommand::Describe { uai: uai(), name: name.map(str::to_owned), academie: None, degree: Degree::Second }
}

#[test]
fn it_is_registered_once_and_described_when_more_is_known() {
    GivenWhenThen::with(()).given_no_previous_events().when(describe(None)).then_expect_events(vec![registered()]);
    GivenWhenThen::with(()).given(vec![registered()]).when(describe(None)).then_expect_events(vec![]);
    let described = EstablishmentEvent::EstablishmentDescribed {
        name: Some("Collège des Exemples".into()),
        academie: None,
        degree: Degree::Second,
    };
    GivenWhenThen::with(())
        .given(vec![registered()])
        .when(describe(Some("Collège des Exemples")))
        .then_expect_events(vec![described.clone()]);
    GivenWhenThen::with(()).given(vec![registered(), described]).when(describe(None)).then_expect_events(vec![]);
}

#[test]
fn an_older_export_is_refused_unless_asked_for() {
    let later = vec![registered(), started(1, 20)];
    GivenWhenThen::with(())
        .given(later.clone())
        .when(begin(2, 10, false))
        .then_expect_error(EstablishmentError::OlderExport { known: exported(20), given: exported(10) });
    GivenWhenThen::with(()).given(later).when(begin(2, 10, true)).then_expect_events(vec![started(2, 10)]);
}

#[test]
fn an_interrupted_import_goes_on_as_the_same_run() {
    GivenWhenThen::with(())
        .given(vec![registered(), started(1, 20)])
        .when(begin(2, 20, false))
        .then_expect_events(vec![]);
}

#[test]
fn only_the_run_in_progress_can_complete() {
    let done = EstablishmentEvent::SchoolDataImported { import: run(1), counts: ImportCounts::default() };
    let running = vec![registered(), started(1, 20)];
    GivenWhenThen::with(()).given(running.clone()).when(complete(1)).then_expect_events(vec![done.clone()]);
    GivenWhenThen::with(())
        .given(running.clone())
        .when(complete(2))
        .then_expect_error(EstablishmentError::NoSuchImport);
    GivenWhenThen::with(())
        .given([running, vec![done]].concat())
        .when(complete(1))
        .then_expect_error(EstablishmentError::NoSuchImport);
}

#[test]
fn nobody_imports_for_an_unknown_establishment() {
    GivenWhenThen::with(())
        .given_no_previous_events()
        .when(begin(1, 1, false))
        .then_expect_error(EstablishmentError::NotRegistered);
}
