//! What the sample writer writes is read back equal.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use domain::identifiers::{Sex, match_key};
use proptest::prelude::*;
use school_files::sample::{Enrolment, SampleChild, SampleSpec, World, write_demo, write_samples};
use school_files::{GuardianRecord, PupilRecord, SchoolExport};
use tempfile::tempdir;

use crate::support::{options, split};

/// Every export under a directory, by UAI.
fn read(files: &[std::path::PathBuf]) -> BTreeMap<String, SchoolExport> {
    let plan = school_files::plan(files, &options());
    assert!(plan.refused.is_empty(), "{:?}", plan.refused);
    plan.exports.iter().map(|export| (export.uai().to_string(), export.validate().unwrap())).collect()
}

fn assert_child(record: &PupilRecord, child: &SampleChild) {
    assert_eq!(record.family_name, child.family_name);
    assert_eq!(record.usage_name.as_ref(), child.usage_name.as_ref());
    assert_eq!(record.given_names, child.given_names);
    assert_eq!(record.birth_date, child.birth_date);
    assert_eq!(record.sex, Some(if child.female { Sex::Female } else { Sex::Male }));
    assert_eq!(record.ine.map(|ine| ine.to_string()), child.ine);
    assert_eq!(record.class.as_deref(), Some(child.class.as_str()));
    assert_eq!(record.left_on, child.left_on);
}

fn assert_siecle(export: &SchoolExport, enrolments: &[Enrolment]) {
    let (pupils, refused) = split(export.pupils_from(0).unwrap());
    let children: Vec<_> = enrolments
        .iter()
        .flat_map(|enrolment| enrolment.children.iter().map(move |child| (enrolment, child)))
        .collect();
    let sound: Vec<_> = children.iter().filter(|(_, child)| child.fault.is_none()).collect();
    assert_eq!(refused.len(), children.len() - sound.len());
    assert_eq!(pupils.len(), sound.len());
    for (record, (enrolment, child)) in pupils.iter().zip(sound) {
        assert_child(record, child);
        let levels: Vec<u8> = record.guardians.iter().map(|link| link.level.number()).collect();
        if child.adult {
            assert_eq!(levels, [1]);
            assert!(record.guardians[0].self_guardian);
        } else {
            let sound = enrolment.guardians.iter().filter(|guardian| guardian.fault.is_none());
            assert_eq!(levels, sound.map(|guardian| guardian.level).collect::<Vec<_>>());
        }
    }
    let (guardians, refused) = split(export.guardians_from(0).unwrap());
    let wrong = enrolments.iter().flat_map(|enrolment| &enrolment.guardians).filter(|g| g.fault.is_some()).count();
    assert!(refused.len() >= wrong);
    let mut read = guardians.iter();
    for enrolment in enrolments {
        for guardian in enrolment.guardians.iter().filter(|guardian| guardian.fault.is_none()) {
            let record = read.next().unwrap();
            assert_eq!(record.family_name, guardian.family_name);
            assert_eq!(record.given_name, guardian.given_name);
            assert!(record.usage_name.is_none() || record.usage_name == guardian.usage_name);
            assert_eq!(record.mobile.as_ref().map(ToString::to_string), guardian.mobile);
            assert_eq!(record.other_phones.first().map(ToString::to_string), guardian.home_phone);
            assert_eq!(record.email, guardian.email);
        }
        for child in enrolment.children.iter().filter(|child| child.adult) {
            assert_eq!(read.next().unwrap().family_name, child.family_name);
        }
    }
    assert!(read.next().is_none());
}

fn assert_onde(export: &SchoolExport, enrolments: &[Enrolment]) {
    let (pupils, refused) = split(export.pupils_from(0).unwrap());
    let children: Vec<_> = enrolments.iter().flat_map(|enrolment| &enrolment.children).collect();
    let sound: Vec<_> = children.iter().filter(|child| child.fault.is_none()).collect();
    assert_eq!(refused.len(), children.len() - sound.len());
    assert_eq!(pupils.len(), sound.len());
    for (record, child) in pupils.iter().zip(sound) {
        assert_child(record, child);
    }
    let (guardians, _) = split(export.guardians_from(0).unwrap());
    let by_key: BTreeMap<&str, &GuardianRecord> =
        guardians.iter().map(|record| (record.source_key.as_str(), record)).collect();
    assert_eq!(by_key.len(), guardians.len());
    let mut pairs = 0;
    let mut expected = Vec::new();
    for enrolment in enrolments {
        for guardian in &enrolment.guardians {
            if guardian.level == 1 && guardian.fault.is_none() {
                pairs += enrolment.children.len();
                expected.push((guardian.family_name.clone(), guardian.given_name.clone(), guardian.mobile.clone()));
            }
        }
    }
    let mut read: Vec<_> = guardians
        .iter()
        .map(|record| {
            let mobile = record.mobile.as_ref().map(ToString::to_string);
            (record.family_name.clone(), record.given_name.clone(), mobile)
        })
        .collect();
    read.sort();
    expected.sort();
    assert_eq!(read, expected);
    let links: usize = pupils.iter().map(|pupil| pupil.guardians.len()).sum();
    assert_eq!(links + export.held_links().len(), pairs);
    for pupil in &pupils {
        for link in &pupil.guardians {
            assert!(by_key[link.guardian.as_str()].children.contains(&pupil.source_id));
        }
    }
    // A child is held only where another could be meant, or where its own record is wrong.
    for held in export.held_links() {
        let key = |child: &SampleChild| (match_key(&child.family_name), match_key(&child.given_names[0]));
        let named = (match_key(&held.child_family_name), match_key(&held.child_given_name));
        let meant: Vec<_> = children.iter().filter(|child| key(child) == named).collect();
        assert!(meant.len() > 1 || meant[0].fault.is_some());
    }
}

fn round_trip(spec: &SampleSpec) {
    let directory = tempdir().unwrap();
    let summary = write_samples(spec, directory.path()).unwrap();
    let world = World::new(spec.clone());
    let exports = read(&summary.files);
    assert_eq!(exports.len() as u32, summary.schools);
    for number in 0..world.schools() {
        let school = world.school(number);
        let export = &exports[school.uai.as_str()];
        assert_eq!(export.header().academie, Some(school.academie));
        assert!(export.header().notices.is_empty());
        let enrolments: Vec<_> = world.enrolments(number).collect();
        if school.secondary {
            assert_siecle(export, &enrolments);
        } else {
            assert_onde(export, &enrolments);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn samples_are_read_back_equal(
        seed in 0..1_000_u64,
        pupils in 0..400_u64,
        secondary_schools in 1..4_u32,
        primary_schools in 1..4_u32,
        errors in prop::bool::ANY,
        generation in 0..3_u32,
    ) {
        let mut spec = SampleSpec {
            secondary_schools,
            primary_schools,
            error_rate: if errors { 0.05 } else { 0.0 },
            ..SampleSpec::new(seed, pupils)
        };
        for _ in 0..generation {
            spec = spec.later();
        }
        round_trip(&spec);
    }
}

/// Every file under a directory with its bytes.
fn bytes_of(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for school in fs::read_dir(directory).unwrap() {
        for file in fs::read_dir(school.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.strip_prefix(directory).unwrap().display().to_string();
            files.insert(name, fs::read(path).unwrap());
        }
    }
    files
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let write = |seed| {
        let directory = tempdir().unwrap();
        write_samples(&SampleSpec::new(seed, 300), directory.path()).unwrap();
        bytes_of(directory.path())
    };
    let first = write(1);
    assert_eq!(first.len(), 4);
    assert!(first == write(1));
    assert!(first != write(2));
}

#[test]
fn a_sample_holds_the_people_it_promises() {
    let spec = SampleSpec { error_rate: 0.02, secondary_schools: 2, primary_schools: 2, ..SampleSpec::new(3, 4_000) };
    let world = World::new(spec);
    let schools: Vec<Vec<Enrolment>> = (0..world.schools()).map(|school| world.enrolments(school).collect()).collect();
    let enrolments = || schools.iter().flatten();
    let children = || enrolments().flat_map(|enrolment| &enrolment.children);
    let guardians = || enrolments().flat_map(|enrolment| &enrolment.guardians);

    let mut numbers: Vec<u64> = children().map(|child| child.number).collect();
    let records = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 4_000);
    assert!(records > 4_000, "double enrolments");

    assert!(children().any(|child| child.adult), "adult pupils");
    assert!(children().any(|child| child.left_on.is_some()), "departures");
    assert!(children().any(|child| child.ine.is_none()), "incomplete records");
    assert!(children().any(|child| child.fault.is_some()), "wrong records");
    assert!(children().filter(|child| child.family_name == "Homonyme").count() > 10, "homonyms");
    assert!(
        enrolments().any(|enrolment| matches!(enrolment.children.as_slice(), [one, two, ..] if one.birth_date.is_some() && one.birth_date == two.birth_date)),
        "twins"
    );
    for level in 1..=3 {
        assert!(guardians().any(|guardian| guardian.level == level), "level {level}");
    }
    assert!(guardians().any(|guardian| guardian.mobile.as_ref().is_some_and(|m| m.starts_with("+596"))), "overseas");
    for letter in ["ÿ", "œ", "ç", "É", "'", "-", " "] {
        assert!(guardians().any(|guardian| guardian.family_name.contains(letter)), "{letter}");
    }
    // The same guardian in schools of two académies.
    let known = |school: &Vec<Enrolment>| -> Vec<u64> {
        school.iter().flat_map(|enrolment| &enrolment.guardians).map(|guardian| guardian.number).collect()
    };
    let (college, ecole) = (known(&schools[0]), known(&schools[2]));
    assert!(college.iter().any(|number| ecole.contains(number)));
    assert_ne!(world.school(0).academie, world.school(2).academie);
}

#[test]
fn a_later_export_moves_corrects_and_renumbers_some() {
    let spec = SampleSpec { secondary_schools: 2, primary_schools: 2, ..SampleSpec::new(5, 2_000) };
    let (before, after) = (World::new(spec.clone()), World::new(spec.later()));
    let places = |world: &World| {
        let mut places: BTreeMap<u64, (u32, SampleChild)> = BTreeMap::new();
        let mut mobiles = BTreeMap::new();
        for school in 0..world.schools() {
            for enrolment in world.enrolments(school) {
                for child in enrolment.children {
                    places.entry(child.number).or_insert((school, child));
                }
                for guardian in enrolment.guardians {
                    mobiles.insert(guardian.number, guardian.mobile);
                }
            }
        }
        (places, mobiles)
    };
    let ((first, mobiles), (second, new_mobiles)) = (places(&before), places(&after));
    assert_eq!(first.len(), second.len());
    type Placed = (u32, SampleChild);
    let count = |test: &dyn Fn(&Placed, &Placed) -> bool| {
        first.iter().filter(|(number, was)| test(was, &second[number])).count()
    };
    let moved = count(&|was, is| was.0 != is.0);
    let corrected = count(&|was, is| was.1.family_name != is.1.family_name);
    assert!((50..200).contains(&moved), "{moved}");
    assert!((10..100).contains(&corrected), "{corrected}");
    assert!(mobiles.iter().any(|(number, mobile)| new_mobiles.get(number).is_some_and(|new| new != mobile)));
    assert_eq!(count(&|was, is| was.1.ine != is.1.ine), 0);
}

#[test]
fn the_demonstration_shares_a_family_between_two_academies_and_moves_a_child() {
    let directory = tempdir().unwrap();
    let demo = write_demo(directory.path()).unwrap();
    assert_ne!(demo.college.academie, demo.ecole.academie);
    let (first, later) = (read(&demo.files), read(&demo.transfer_files));
    let pupils = |exports: &BTreeMap<String, SchoolExport>, uai: &str| {
        let (pupils, refused) = split(exports[uai].pupils_from(0).unwrap());
        assert!(refused.is_empty());
        pupils
    };
    let is_moving = |pupil: &PupilRecord| {
        pupil.given_names[0] == demo.moving_child.given_name && pupil.birth_date == Some(demo.moving_child.birth_date)
    };
    let (college, other) = (demo.college.uai.as_str(), demo.other_college.uai.as_str());
    assert!(pupils(&first, college).iter().any(is_moving));
    assert!(!pupils(&first, other).iter().any(is_moving));
    assert!(!pupils(&later, college).iter().any(is_moving));
    assert!(pupils(&later, other).iter().any(is_moving));
    assert!(first[college].header().exported_at < later[college].header().exported_at);
    for uai in [college, demo.ecole.uai.as_str()] {
        let (guardians, _) = split(first[uai].guardians_from(0).unwrap());
        let whom = &demo.guardian;
        assert!(guardians.iter().any(|record| {
            record.family_name == whom.family_name
                && record.given_name == whom.given_name
                && record.mobile.as_ref() == Some(&whom.mobile)
                && record.has_level1
        }));
        assert!(first[uai].held_links().is_empty());
    }
    assert!(demo.guardian.mobile.is_fictional());
    assert_eq!(demo.guardian.mobile_written, "06 39 98 00 01");
}

#[test]
fn a_large_export_streams_without_being_collected() {
    let directory = tempdir().unwrap();
    let spec = SampleSpec { secondary_schools: 1, primary_schools: 0, ..SampleSpec::new(7, 20_000) };
    let summary = write_samples(&spec, directory.path()).unwrap();
    let exports = read(&summary.files);
    let export = exports.values().next().unwrap();
    assert_eq!(export.counts().pupils, 20_000);
    let complete = export
        .pupils_from(0)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().outcome.as_ref().is_ok_and(|pupil| pupil.missing.is_empty()))
        .count();
    assert!((19_000..20_000).contains(&complete), "{complete}");
}
