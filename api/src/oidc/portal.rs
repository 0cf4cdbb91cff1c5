//! The services of a family's schools: choose the child, then the service of the child's school.
//!
//! A service that says where a sign-in begins (`initiate_login_uri`) is led to it by the link (OpenID Connect Core §4):
//! `iss`, `login_hint` – the person as the service knows them – and `target_link_uri`, its home page, with `child` –
//! the pupil as the service knows them – where a guardian chose one.

use super::response::with_query;
use super::subject::Pairwise;
use crate::app::App;
use crate::pages::{Language, View};
use domain::account::Holder;
use domain::identifiers::Uai;
use domain::ids::{AccountId, PupilId};
use domain::relying_party::Registration;
use projections::people::Enrolment;
use projections::services::RelyingPartyRecord;
use std::collections::BTreeSet;

/// The most services listed in all; a family's schools have a few dozen.
const MOST: u32 = 200;

/// What one child's schools offer.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The child's first name; `None` for a pupil's own.
    pub child: Option<String>,
    /// The schools' names.
    pub schools: String,
    /// Their services, by name.
    pub links: Vec<Link>,
}

/// A service and where it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// As the person's language has it.
    pub name: String,
    /// Where the link leads.
    pub address: String,
}

/// A pupil whose schools offer something.
struct Schooled {
    id: PupilId,
    given_name: Option<String>,
    enrolments: Vec<Enrolment>,
}

/// What the schools of an account's pupils offer; pupils whose schools offer nothing are left out.
///
/// # Errors
/// When the database fails.
pub async fn offers(app: &App, view: &View, account: AccountId, holder: Holder) -> Result<Vec<Offer>, sqlx::Error> {
    let pupils: Vec<Schooled> = match holder {
        Holder::Pupil(own) => {
            let own = app.views.pupil(own).await?;
            own.into_iter().map(|p| Schooled { id: p.id, given_name: None, enrolments: p.enrolments }).collect()
        }
        Holder::Guardian(_) => {
            let children = app.views.children_of(account).await?.into_iter();
            let named = children.map(|child| {
                let given_name = Some(child.person.first_given_name().unwrap_or("…").to_owned());
                Schooled { id: child.pupil, given_name, enrolments: child.enrolments }
            });
            named.collect()
        }
    };
    let places: BTreeSet<Uai> = pupils.iter().flat_map(|p| &p.enrolments).map(|at| at.establishment).collect();
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let places: Vec<Uai> = places.into_iter().collect();
    let services = app.views.services_of(&places, MOST).await?;
    let offers = pupils.into_iter().map(|pupil| offer(app, view, (account, holder), pupil, &services));
    Ok(offers.filter(|offer| !offer.links.is_empty()).collect())
}

fn offer(
    app: &App,
    view: &View,
    (account, holder): (AccountId, Holder),
    pupil: Schooled,
    services: &[RelyingPartyRecord],
) -> Offer {
    let serves = |registration: &&Registration| {
        pupil.enrolments.iter().any(|at| registration.establishments.includes(&at.establishment))
    };
    let registrations = services.iter().map(|service| &service.registration).filter(serves);
    let child = matches!(holder, Holder::Guardian(_)).then_some(pupil.id);
    let link = |registration: &Registration| {
        let pairwise = Pairwise::new(&app.ledger, &registration.sector_identifier);
        let (subject, child) = (pairwise.holder(account, holder), child.map(|child| pairwise.pupil(child)));
        let address = address(registration, &app.config.origin(), &subject, child.as_deref())?;
        Some(Link { name: name(registration, view.language), address })
    };
    let mut links: Vec<Link> = registrations.filter_map(link).collect();
    links.sort();
    let schools: Vec<String> = pupil
        .enrolments
        .iter()
        .map(|at| at.establishment_name.clone().unwrap_or_else(|| at.establishment.to_string()))
        .collect();
    Offer { child: pupil.given_name, schools: schools.join(", "), links }
}

/// The service's name in this language.
pub fn name(registration: &Registration, language: Language) -> String {
    let english = registration.terms.link.english_name.as_ref().filter(|_| language == Language::English);
    english.unwrap_or(&registration.name).clone()
}

/// Where the link leads; `None` where the service says no place.
fn address(registration: &Registration, issuer: &str, subject: &str, child: Option<&str>) -> Option<String> {
    let link = &registration.terms.link;
    let Some(initiate) = &link.initiate_login_uri else { return link.home_uri.clone() };
    let mut fields = vec![("iss", issuer.to_owned()), ("login_hint", subject.to_owned())];
    if let Some(home) = &link.home_uri {
        let target = child.map_or_else(|| home.clone(), |child| with_query(home, &[("child", child.to_owned())]));
        fields.push(("target_link_uri", target));
    }
    Some(with_query(initiate, &fields))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oidc::samples;

    #[test]
    fn a_link_leads_where_the_service_says() {
        let mut registration = samples::registration();
        let at = |registration: &Registration, child| address(registration, "https://op.test", "me", child);
        assert_eq!(at(&registration, None), None);
        registration.terms.link.home_uri = Some("https://notes.example.org/?lang=fr".to_owned());
        assert_eq!(at(&registration, Some("zoé")).as_deref(), Some("https://notes.example.org/?lang=fr"));
        registration.terms.link.initiate_login_uri = Some("https://notes.example.org/start".to_owned());
        assert_eq!(
            at(&registration, Some("c")).as_deref(),
            Some(
                "https://notes.example.org/start?iss=https%3A%2F%2Fop.test&login_hint=me&\
                 target_link_uri=https%3A%2F%2Fnotes.example.org%2F%3Flang%3Dfr%26child%3Dc"
            )
        );
    }
}
