//! Signing in with FranceConnect, in a real browser, against a real OpenID provider with its claims.

use crate::harness::{Node, Place, free_port, root};
use school_files::sample::write_demo;
use serde_json::json;

const SECRET: &str = "un secret d'essai, assez long";

#[tokio::test(flavor = "multi_thread")]
async fn a_guardian_comes_with_franceconnect_in_both_languages() {
    let place = Place::new();
    let demo = write_demo(&place.files().join("exports")).expect("the demonstration's files are written");
    let port = free_port().to_string();
    let provider = format!("http://127.0.0.1:{port}");
    let settings = format!(
        "[franceconnect]\nissuer = \"{provider}/api/v2\"\nclient_id = \"matricule\"\nclient_secret = \"{SECRET}\"\n\
         [oidc]\nprivate_hosts = [\"127.0.0.1\"]\n"
    );
    std::fs::write(place.files().join("matricule.toml"), settings).expect("the configuration is written");
    let origin = place.origin();
    let clients = json!([{
        "client_id": "matricule",
        "client_secret": SECRET,
        "token_endpoint_auth_method": "client_secret_post",
        "redirect_uris": [format!("{origin}/sign-in/with/franceconnect/callback")],
        "post_logout_redirect_uris": [format!("{origin}/")],
        "id_token_signed_response_alg": "ES256",
        "userinfo_signed_response_alg": "ES256",
        "subject_type": "pairwise",
        "response_types": ["code"],
        "grant_types": ["authorization_code"],
    }]);
    let person = |family: &str, given: &str| {
        json!({ "family_name": family, "given_name": given, "given_name_array": [given], "birthdate": "1984-02-29",
                "gender": "female", "birthplace": "75107", "birthcountry": "99100" })
    };
    let guardian = &demo.guardian;
    let people = json!({
        "guardian": person(&guardian.family_name, &guardian.given_name),
        "stranger": person("DUBOIS", "Angela"),
    });
    let _provider = Node::start(
        &root().join("tests/franceconnect/provider.mjs"),
        &[("PORT", &port), ("CLIENTS", &clients.to_string()), ("PEOPLE", &people.to_string())],
    );
    let service = place.serve().await;
    let mut import = vec!["import".to_owned()];
    import.extend(demo.files.iter().map(|file| file.display().to_string()));
    let imported = place.command("matricule").args(&import).output().expect("the import runs");
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let children = guardian
        .children
        .iter()
        .map(|child| json!({ "given_name": child.given_name, "birth_date": child.birth_date, "school": child.school }));
    let told = json!({
        "family_name": guardian.family_name,
        "given_name": guardian.given_name,
        "mobile": guardian.mobile_written,
        "children": children.collect::<Vec<_>>(),
    });
    let said = Node::run(
        &root().join("tests/browser/franceconnect.mjs"),
        &[
            ("ORIGIN", &service.origin),
            ("PROVIDER", &provider),
            ("GUARDIAN", &told.to_string()),
            ("SCREENSHOTS", &root().join("target/screenshots").display().to_string()),
            ("JOURNEY", "franceconnect"),
        ],
    );
    // The ledger tells of it, in both languages.
    let said: serde_json::Value = serde_json::from_str(said.trim()).expect("the journey ends with JSON");
    let login = said["login"].as_str().expect("a login");
    for (language, sentence) in
        [("fr", "de franceconnect ouvre désormais le compte"), ("en", "of franceconnect opens the account")]
    {
        let history = place.run("matricule-replay", ["history", login, "--language", language]);
        assert!(history.contains(sentence), "no `{sentence}` in:\n{history}");
    }
    service.stop();
}
