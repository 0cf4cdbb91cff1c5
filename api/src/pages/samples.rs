//! Every page struct carries samples, and one test renders them all in both languages.

use super::View;
use askama::Template;

/// A page that can show examples of itself: each state it has (empty, with errors, full).
pub trait Sample: Template + Sized {
    /// The examples, with plainly fictional people.
    fn samples(view: &View) -> Vec<Self>;
}

/// The name and the HTML of every sample of every page. One line for each page struct.
pub fn all(view: &View) -> Vec<(String, Result<String, askama::Error>)> {
    let mut out = Vec::new();
    render::<super::home::HomePage>(view, &mut out);
    render::<super::plain::AccessibilityPage>(view, &mut out);
    render::<super::plain::LegalPage>(view, &mut out);
    render::<super::error_page::ErrorPage>(view, &mut out);
    render::<super::error_page::ProblemPage>(view, &mut out);
    render::<crate::oidc::BetterPage>(view, &mut out);
    render::<crate::oidc::DeniedPage>(view, &mut out);
    render::<crate::oidc::FormPostPage>(view, &mut out);
    render::<crate::oidc::ConfirmPage>(view, &mut out);
    render::<crate::oidc::SignedOutPage>(view, &mut out);
    render::<crate::oidc::ConsentPage>(view, &mut out);
    render::<crate::oidc::ServicesPage>(view, &mut out);
    #[cfg(test)]
    render::<SpecimenPage>(view, &mut out);
    render::<crate::delivery::InboxPage>(view, &mut out);
    render::<crate::session::SignInPage>(view, &mut out);
    render::<crate::session::AccountPage>(view, &mut out);
    render::<crate::session::OwnPasswordPage>(view, &mut out);
    render::<crate::session::AgainPage>(view, &mut out);
    render::<crate::session::WaysInPage>(view, &mut out);
    render::<crate::session::OwnSessionsPage>(view, &mut out);
    render::<crate::session::SwitchPage>(view, &mut out);
    render::<crate::session::second::SecondPage>(view, &mut out);
    render::<crate::session::second::TotpPage>(view, &mut out);
    render::<crate::session::second::RecoveryCodesPage>(view, &mut out);
    render::<crate::account::HistoryPage>(view, &mut out);
    render::<crate::account::DataPage>(view, &mut out);
    render::<crate::account::DownloadPage>(view, &mut out);
    render::<crate::oidc::ChoosePage>(view, &mut out);
    render::<crate::activation::IdentifyPage>(view, &mut out);
    render::<crate::activation::CodePage>(view, &mut out);
    render::<crate::activation::ChildrenPage>(view, &mut out);
    render::<crate::activation::PasswordPage>(view, &mut out);
    render::<crate::reset::ResetPage>(view, &mut out);
    render::<crate::upstream::LinkPage>(view, &mut out);
    render::<crate::upstream::StoppedPage>(view, &mut out);
    out
}

fn render<T: Sample>(view: &View, out: &mut Vec<(String, Result<String, askama::Error>)>) {
    let name = std::any::type_name::<T>().rsplit("::").next().unwrap_or_default();
    out.extend(
        T::samples(view).iter().enumerate().map(|(number, sample)| (format!("{name} {number}"), sample.render())),
    );
}

/// Every component once.
#[cfg(test)]
#[derive(Template)]
#[template(path = "pages/specimen.html")]
struct SpecimenPage {
    view: View,
    errors: super::FormErrors,
    value: &'static str,
    date: super::DateInput,
}

#[cfg(test)]
impl Sample for SpecimenPage {
    fn samples(view: &View) -> Vec<Self> {
        let date = || super::DateInput { day: "3".into(), month: "9".into(), year: "2012".into() };
        let mut errors = super::FormErrors::new();
        errors.add("surname", "Indiquez le nom");
        errors.add("birth", "Cette date n’est pas celle que l’école connaît");
        let signed_in = View { demo: true, ..view.signed_in("/account/children") };
        vec![
            Self { view: signed_in, errors: super::FormErrors::new(), value: "", date: date() },
            Self { view: view.clone(), errors, value: "<Fictif & \"fils\">", date: date() },
        ]
    }
}

#[cfg(test)]
mod tests;
