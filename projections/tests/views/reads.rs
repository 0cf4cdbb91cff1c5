//! What the service reads agrees with the aggregates.

use crate::support::Setting;
use domain::account::Holder;
use domain::ids::{GuardianId, PupilId};
use projections::Views;
use projections::testing::World;
use std::collections::BTreeSet;

#[tokio::test]
async fn views_say_what_the_aggregates_say() {
    let setting = Setting::new().await;
    let runner = setting.run().await;
    let views = runner.views();
    let mut world = World::new(7);
    // Enough for every kind of event to have happened several times.
    setting.live(&mut world, 500).await;
    setting.settle(&views).await;
    pupils_agree(&views, &world).await;
    accounts_agree(&views, &world).await;
    services_agree(&views, &world).await;
    held_links_agree(&views, &world).await;
    setting.assert_equal_to_replay().await;
    runner.stop().await;
}

async fn pupils_agree(views: &Views, world: &World) {
    for member in world.pupils.iter().filter(|member| member.version > 0) {
        let record = views.pupil(member.id.parse().unwrap()).await.unwrap().unwrap();
        let status = member.state.civil_status.as_ref().unwrap().known().unwrap();
        assert_eq!(record.ine.as_ref(), member.state.ine.as_ref().and_then(|ine| ine.known()));
        assert_eq!(record.person.family_name.as_ref(), Some(&status.family_name));
        assert_eq!(record.person.given_names, status.given_names);
        assert_eq!(record.person.birth_date, status.birth_date);
        assert_eq!(record.person.sex, status.sex);
        assert_eq!(record.enrolments.len(), member.state.enrolments.len());
        for (shown, (uai, held)) in record.enrolments.iter().zip(&member.state.enrolments) {
            assert_eq!((shown.establishment, shown.school_year), (*uai, held.school_year));
            assert_eq!(shown.class, held.placement.known().unwrap().class);
        }
        let legal: BTreeSet<GuardianId> = member.state.legal_guardians().collect();
        let shown = views.legal_guardians_of(record.id).await.unwrap();
        assert_eq!(shown.iter().map(|guardian| guardian.id).collect::<BTreeSet<_>>(), legal);
    }
}

async fn accounts_agree(views: &Views, world: &World) {
    let legal_children = |guardians: &BTreeSet<GuardianId>| -> BTreeSet<PupilId> {
        let of = |pupil: &&projections::testing::Member<domain::pupil::Pupil>| {
            pupil.state.legal_guardians().any(|guardian| guardians.contains(&guardian))
        };
        world.pupils.iter().filter(of).map(|pupil| pupil.id.parse().unwrap()).collect()
    };
    let (mut confirmed, mut proposed) = (0, 0);
    for member in world.accounts.iter().filter(|member| member.version > 0) {
        let account = &member.state;
        let record = views.account(member.id.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!((record.status, Some(record.holder)), (account.status, account.holder));
        assert_eq!(record.login.as_ref(), account.login.as_ref().and_then(|login| login.known()));
        assert_eq!(record.must_change_password, account.must_change_password());
        assert_eq!(record.guardians.iter().copied().collect::<BTreeSet<_>>(), account.guardians);
        if let Holder::Pupil(pupil) = record.holder {
            assert!(views.account_by_pupil(pupil).await.unwrap().is_some());
        }
        let legal = legal_children(&account.guardians);
        let children = views.children_of(record.id).await.unwrap();
        let shown: BTreeSet<_> = children.iter().map(|child| child.pupil).collect();
        assert_eq!(shown, &legal & &account.confirmed);
        let shown: BTreeSet<_> =
            views.proposed_children(record.id).await.unwrap().iter().map(|child| child.pupil).collect();
        let answered = &account.confirmed | &account.reported;
        assert_eq!(shown, &legal - &answered);
        confirmed += children.len();
        proposed += shown.len();
    }
    assert!(confirmed > 0 && proposed > 0, "the world is too dull to prove anything");
}

async fn services_agree(views: &Views, world: &World) {
    let registered = world.establishments.iter().filter(|member| member.state.uai.is_some()).count();
    assert_eq!(views.establishments(None, 100).await.unwrap().len(), registered);
    for member in world.relying_parties.iter().filter(|member| member.version > 0) {
        let record = views.relying_party(member.id.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(Some(&record.registration), member.state.registration.as_ref());
        assert_eq!((record.secret, record.enabled), (member.state.secret, member.state.enabled));
    }
}

async fn held_links_agree(views: &Views, world: &World) {
    for establishment in &world.establishments {
        let uai = establishment.id.parse().unwrap();
        let expected = world.guardians.iter().flat_map(|guardian| guardian.state.held.values());
        let expected = expected.filter(|link| link.establishment == uai).count();
        let (mut found, mut after) = (0, None);
        loop {
            let page = views.held_links(uai, after, 2).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some((GuardianId(last.guardian), u32::try_from(last.number).unwrap()));
            found += page.len();
        }
        assert_eq!(found, expected);
    }
}
