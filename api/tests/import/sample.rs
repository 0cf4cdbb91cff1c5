//! Whole samples: whatever the order and the interruptions, the same people in the end.

use crate::support::{Setting, imported};
use api::import::{ImportError, ImportOptions, Importer, Outcome};
use futures::StreamExt;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use school_files::sample::{SampleSpec, write_samples};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Exports of a sample, each the files of one school.
fn exports(spec: &SampleSpec, folder: &Path) -> Vec<Vec<PathBuf>> {
    let written = write_samples(spec, &folder.join(spec.generation.to_string())).unwrap();
    written.files.chunks(2).map(<[PathBuf]>::to_vec).collect()
}

/// What the views say, without ids: they are chance.
async fn people(setting: &Setting) -> Vec<String> {
    let mut all = Vec::new();
    for sql in [
        "SELECT concat_ws('|', 'pupil', ine, family_name, usage_name, given_names, birth_date, sex) FROM view_people.pupil",
        "SELECT concat_ws('|', 'enrolment', p.ine, p.family_name, p.given_names, e.establishment, e.school_year, e.class) \
         FROM view_people.enrolment e JOIN view_people.pupil p ON p.id = e.pupil",
        "SELECT concat_ws('|', 'guardian', source_key, family_name, usage_name, given_name, mobile, email) \
         FROM view_people.guardian",
        "SELECT concat_ws('|', 'link', p.ine, p.family_name, p.given_names, g.source_key, l.establishment, l.level) \
         FROM view_people.link l JOIN view_people.pupil p ON p.id = l.pupil \
         JOIN view_people.guardian g ON g.id = l.guardian",
        "SELECT concat_ws('|', 'held', g.source_key, h.child_family_name, h.child_given_name, h.reason, \
                jsonb_array_length(h.candidates)) \
         FROM view_people.held_link h JOIN view_people.guardian g ON g.id = h.guardian",
        "SELECT concat('account|', string_agg(g.source_key, '|' ORDER BY g.source_key)) \
         FROM view_accounts.account_guardian a JOIN view_people.guardian g ON g.id = a.guardian GROUP BY a.account",
    ] {
        all.extend(setting.texts(sql).await);
    }
    all
}

/// Everyone who must have an account has one, and nobody has two.
async fn assert_accounts(setting: &Setting) {
    let lacking = setting
        .count(
            "view_people.pupil p WHERE p.ine IS NOT NULL AND p.birth_date IS NOT NULL \
             AND (SELECT count(*) FROM view_people.enrolment e WHERE e.pupil = p.id) = 1 \
             AND (SELECT count(*) FROM view_accounts.account a WHERE a.holder = p.id) <> 1",
        )
        .await;
    assert_eq!(lacking, 0, "each eligible pupil has one account");
    let lacking = setting
        .count(
            "view_people.guardian g WHERE EXISTS (SELECT FROM view_people.link l WHERE l.guardian = g.id \
             AND l.level = 1 AND l.relationship IS DISTINCT FROM 70) \
             AND (SELECT count(*) FROM view_accounts.account_guardian a WHERE a.guardian = g.id) <> 1",
        )
        .await;
    assert_eq!(lacking, 0, "each legal guardian's record stands behind one account");
}

fn assert_same(found: &[String], expected: &[String], seed: u64) {
    let lacking: Vec<_> = expected.iter().filter(|line| !found.contains(line)).collect();
    let more: Vec<_> = found.iter().filter(|line| !expected.contains(line)).collect();
    assert!(found == expected, "seed {seed}: lacks {lacking:#?}, has {more:#?}");
}

async fn import_all(setting: &Setting, exports: &[Vec<PathBuf>]) {
    for files in exports {
        imported(setting.import_files(files.clone(), &ImportOptions::default()).await.unwrap());
    }
}

/// Imports, but is stopped at the n-th sign of progress, again and again, until it comes through.
async fn import_with_interruptions(setting: &Setting, files: &[PathBuf], first_stop: u64) -> Outcome {
    let mut stop_at = first_stop;
    loop {
        match interrupted(&setting.importer, files.to_vec(), stop_at).await {
            None => stop_at += 2,
            // The lock goes with its connection, a moment after the run.
            Some(Err(ImportError::Running(_))) => tokio::task::yield_now().await,
            Some(outcome) => return outcome.unwrap(),
        }
    }
}

/// The last interruption may have come after the last event.
fn came_through(outcome: Outcome) {
    assert!(!matches!(outcome, Outcome::WouldImport(_)));
}

async fn interrupted(importer: &Importer, files: Vec<PathBuf>, stop_at: u64) -> Option<Result<Outcome, ImportError>> {
    let signs = Arc::new(AtomicU64::new(0));
    let abort: Arc<Mutex<Option<tokio::task::AbortHandle>>> = Arc::default();
    let (counter, handle) = (Arc::clone(&signs), Arc::clone(&abort));
    let importer = importer.clone();
    let (go, may_go) = tokio::sync::oneshot::channel::<()>();
    let run = tokio::spawn(async move {
        may_go.await.unwrap();
        let options = ImportOptions::default();
        let export = importer.validate(files, &options).await?.remove(0)?;
        let watch = move |_| {
            if counter.fetch_add(1, Ordering::SeqCst) + 1 == stop_at
                && let Some(handle) = handle.lock().unwrap().as_ref()
            {
                handle.abort();
            }
        };
        importer.import(export, &options, &watch).await
    });
    *abort.lock().unwrap() = Some(run.abort_handle());
    go.send(()).unwrap();
    run.await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn any_order_and_any_interruption_end_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = SampleSpec::new(11, 900);
    spec.secondary_schools = 2;
    spec.primary_schools = 1;
    spec.error_rate = 0.01;
    let first = exports(&spec, folder.path());
    let later = exports(&spec.later(), folder.path());

    let straight = Setting::new().await;
    import_all(&straight, &first).await;
    let after_first = people(&straight).await;
    import_all(&straight, &later).await;
    let after_later = people(&straight).await;
    assert_accounts(&straight).await;
    straight.assert_equal_to_replay().await;
    straight.stop().await;

    for seed in 0..2 {
        let mut chance = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let (mut first, mut later) = (first.clone(), later.clone());
        first.shuffle(&mut chance);
        later.shuffle(&mut chance);
        let setting = Setting::new().await;
        for files in &first {
            came_through(import_with_interruptions(&setting, files, seed + 1).await);
        }
        assert_same(&people(&setting).await, &after_first, seed);
        for files in &later {
            came_through(import_with_interruptions(&setting, files, seed + 2).await);
        }
        assert_same(&people(&setting).await, &after_later, seed);
        assert_accounts(&setting).await;
        setting.assert_equal_to_replay().await;
        setting.stop().await;
    }
}

/// Imports all files together, and is stopped at the n-th sign of progress; says whether it was.
async fn all_interrupted(importer: &Importer, files: &[PathBuf], stop_at: u64) -> bool {
    let signs = Arc::new(AtomicU64::new(0));
    let abort: Arc<Mutex<Option<tokio::task::AbortHandle>>> = Arc::default();
    let (counter, handle) = (Arc::clone(&signs), Arc::clone(&abort));
    let (importer, files) = (importer.clone(), files.to_vec());
    let (go, may_go) = tokio::sync::oneshot::channel::<()>();
    let run = tokio::spawn(async move {
        may_go.await.unwrap();
        let watch = move |_| {
            if counter.fetch_add(1, Ordering::SeqCst) + 1 == stop_at
                && let Some(handle) = handle.lock().unwrap().as_ref()
            {
                handle.abort();
            }
        };
        let options = ImportOptions::default();
        let outcomes = importer.import_all(files, &options, &watch).await.unwrap();
        outcomes.for_each(|outcome| async { came_through(outcome.unwrap()) }).await;
    });
    *abort.lock().unwrap() = Some(run.abort_handle());
    go.send(()).unwrap();
    run.await.is_err_and(|error| {
        assert!(error.is_cancelled(), "{error}");
        true
    })
}

/// Imports all files together until each is in.
async fn all_at_last(setting: &Setting, files: &[PathBuf]) {
    let options = ImportOptions::default();
    loop {
        let outcomes = setting.importer.import_all(files.to_vec(), &options, &|_| {}).await.unwrap();
        let outcomes: Vec<_> = outcomes.collect().await;
        // The lock of a run that was stopped goes with its connection, a moment after it.
        if !outcomes.iter().any(|outcome| matches!(outcome, Err(ImportError::Running(_)))) {
            return outcomes.into_iter().for_each(|outcome| came_through(outcome.unwrap()));
        }
        tokio::task::yield_now().await;
    }
}

/// Families that several schools know, all schools at once: in any order, stopped at every sign of progress in turn.
#[tokio::test(flavor = "multi_thread")]
async fn schools_imported_together_end_the_same_wherever_they_are_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = SampleSpec::new(17, 150);
    spec.secondary_schools = 2;
    spec.primary_schools = 2;
    let first = exports(&spec, folder.path());
    let later = exports(&spec.later(), folder.path());
    let straight = Setting::new().await;
    import_all(&straight, &first).await;
    import_all(&straight, &later).await;
    let expected = people(&straight).await;
    let shared = "(SELECT account FROM view_accounts.account_guardian GROUP BY account HAVING count(*) > 1) shared";
    assert!(straight.count(shared).await > 0, "some families are known to several schools");
    straight.stop().await;

    let mut chance = rand_chacha::ChaCha8Rng::seed_from_u64(17);
    let (mut stop_at, mut stopped) = (1, true);
    while stopped {
        let setting = Setting::new().await;
        stopped = false;
        for exports in [&first, &later] {
            let mut files: Vec<PathBuf> = exports.concat();
            files.shuffle(&mut chance);
            stopped |= all_interrupted(&setting.importer, &files, stop_at).await;
            all_at_last(&setting, &files).await;
        }
        assert_same(&people(&setting).await, &expected, stop_at);
        assert_accounts(&setting).await;
        setting.assert_equal_to_replay().await;
        setting.stop().await;
        stop_at += 1;
    }
    assert!(stop_at > 8, "there are many points to stop at: {stop_at}");
}
