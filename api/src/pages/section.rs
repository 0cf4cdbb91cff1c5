//! The sections of "my account": what its navigation shows, and which section a path belongs to.

/// One entry of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its first page.
    pub path: &'static str,
    /// Key of its name.
    pub label: &'static str,
    /// As `aria-current` says it: `page` on the section's first page, `true` on its others.
    pub current: Option<&'static str>,
}

/// The account's start page.
pub const HOME: &str = "/account";

/// Path, name, and the pages below `/account` that belong to the section too.
const SECTIONS: [(&str, &str, &[&str]); 6] = [
    (HOME, "section-children", &["/account/children"]),
    ("/account/services", "section-services", &[]),
    ("/account/ways-in", "section-ways-in", &["/account/password"]),
    ("/account/sessions", "section-sessions", &["/account/sign-out-everywhere"]),
    ("/account/history", "section-history", &[]),
    ("/account/data", "section-data", &[]),
];

/// The section that a path (without its query) belongs to, by its first page; the account's start page where it
/// belongs to none.
pub fn of(path: &str) -> &'static str {
    let within = |root: &str| {
        root != HOME && path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let found = SECTIONS.iter().find(|(first, _, others)| within(first) || others.iter().any(|other| within(other)));
    found.map_or(HOME, |(first, ..)| first)
}

/// The navigation of the page at `here` (path and query): nothing outside the account. A pupil has no children.
pub fn around(here: &str, pupil: bool) -> Vec<Section> {
    let path = here.split('?').next().unwrap_or_default();
    if path != HOME && !path.starts_with("/account/") {
        return vec![];
    }
    let own = of(path);
    let entries = SECTIONS.iter().map(|&(first, label, _)| Section {
        path: first,
        label: if first == HOME && pupil { "section-account" } else { label },
        current: (first == own).then_some(if first == path { "page" } else { "true" }),
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_stands_in_its_section() {
        for (path, section) in [
            ("/account", "/account"),
            ("/account/children", "/account"),
            ("/account/children/confirm", "/account"),
            ("/account/services/revoke", "/account/services"),
            ("/account/password", "/account/ways-in"),
            ("/account/sessions/end", "/account/sessions"),
            ("/account/servicesque", "/account"),
            ("/elsewhere", "/account"),
        ] {
            assert_eq!(of(path), section, "{path}");
        }
    }

    #[test]
    fn the_navigation_is_on_the_accounts_pages_only() {
        assert!(around("/", false).is_empty() && around("/accounting", false).is_empty());
        let shown = around("/account/password?x=/account/data", false);
        let current: Vec<_> = shown.iter().filter_map(|section| Some((section.path, section.current?))).collect();
        assert_eq!(current, [("/account/ways-in", "true")]);
        assert_eq!(around("/account?changed=password", true)[0].current, Some("page"));
        assert_eq!(around("/account", true)[0].label, "section-account");
    }
}
