//! What is read, and how what is wrong is refused.

use super::{Config, REFERENCE, load};
use std::path::PathBuf;

/// Reads a configuration from a file, beside whatever the test process's environment says.
fn from(text: &str) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("matricule.toml");
    std::fs::write(&file, text).unwrap();
    load(Some(&file), Some(PathBuf::from("elsewhere"))).map_err(|error| error.to_string())
}

#[test]
fn the_reference_shows_every_key_with_its_default() {
    let mut shown = toml::to_string(&from(REFERENCE).unwrap()).unwrap();
    let mut defaults = toml::to_string(&Config { data_dir: "elsewhere".into(), ..Config::default() }).unwrap();
    // DATABASE_URL may be set where the tests run.
    for text in [&mut shown, &mut defaults] {
        text.retain(|c| c != '\r');
        *text = text.lines().filter(|line| !line.starts_with("url = ")).collect::<Vec<_>>().join("\n");
    }
    assert_eq!(shown, defaults);
}

#[test]
fn the_keys_without_default_are_keys() {
    let uncommented: String = REFERENCE
        .lines()
        .map(|line| {
            line.strip_prefix("# ").filter(|rest| rest.starts_with('[') || rest.contains(" = ")).unwrap_or(line)
        })
        .map(|line| line.replace("postgres://…", "postgres://a@b/c").replace("\"…\"", "\"s\"") + "\n")
        // The sources of a key exclude each other, and so do the places to keep a checkpoint.
        .filter(|line| !["value = ", "command = ", "file = \"/mnt"].iter().any(|start| line.starts_with(start)))
        .collect();
    let config = from(&uncommented).unwrap();
    assert_eq!(config.smtp.unwrap().host, "smtp.example.org");
    assert_eq!(config.sms.unwrap().sender.as_deref(), Some("MATRICULE"));
    assert_eq!(config.passwords.hashing_threads, Some(2));
}

#[test]
fn a_wrong_key_is_refused_by_its_name() {
    for (text, expected) in [
        ("lissen = \"127.0.0.1:1\"", "lissen"),
        ("[smtp]\nhost = \"a\"\nfrom = \"A <a@example.org>\"\nprot = 25", "smtp.prot"),
        ("[smtp]\nfrom = \"A <a@example.org>\"", "smtp.host"),
        ("listen = \"here\"", "listen"),
        ("[codes]\nvalidity = \"soon\"", "codes.validity"),
        ("[codes]\nattempts = \"many\"", "codes.attempts"),
        ("[http]\nbody_limit = \"64\"", "http.body_limit"),
        ("[log]\nformat = \"xml\"", "log.format"),
        ("public_origin = \"https://example.org/compte\"", "public_origin"),
        ("public_origin = \"http://compte.example.org\"", "public_origin"),
        ("[oidc]\ncode_lifetime = \"10min\"", "oidc.code_lifetime"),
        ("[master_key]\nfile = \"a\"\nvalue = \"b\"", "master_key"),
        ("[retention]\naccess_log = \"1day\"", "retention.access_log"),
        ("[backup]\nledger_dir = \"a\"\nkeys_dir = \"a\"", "backup.keys_dir"),
        ("[imports]\ntokens = [\"secret\"]", "imports.tokens"),
        ("[imports]\ndeparture_share = 1.5", "imports.departure_share"),
        ("[imports.academies]\n\"20\" = \"27\"", "imports.academies"),
        ("[imports.academies]\n\"620\" = \"26\"", "imports.academies"),
        ("[backup]\nkeys_retention = \"500days\"", "backup.keys_retention"),
        ("[sessions]\nidle = \"13h\"", "sessions.idle"),
        ("[sessions]\nstep_up = \"30s\"", "sessions.step_up"),
        ("[smtp]\nhost = \"a\"\nfrom = \"nobody\"", "smtp.from"),
        ("[smtp]\nhost = \"a\"\nfrom = \"A <a@example.org>\"\ntimeout = \"2min\"", "smtp.timeout"),
        ("[sms]\nurl = \"http://sms.example.org\"", "sms.url"),
        ("[sms]\nurl = \"https://key@sms.example.org\"", "sms.url"),
        ("[sms]\nurl = \"https://a.example\"\nbody = { to = \"{to}\" }", "sms.body"),
        ("[sms]\nurl = \"https://a.example\"\nbody = { to = \"{to}\", t = \"{text} {sender}\" }", "sms.sender"),
        ("[sms]\nurl = \"https://a.example\"\nbody = { to = \"{to}\", t = \"{text} {token}\" }", "sms.token"),
        (
            "[sms]\nurl = \"https://a.example\"\nformat = \"form\"\nbody = { to = [\"{to}\"], t = \"{text}\" }",
            "sms.body",
        ),
        ("[sms]\nurl = \"https://a.example\"\nheaders = { \"a b\" = \"c\" }", "sms.headers"),
        ("listen = \"0.0.0.0:8080\"\n[demo]\ninbox = true", "demo.inbox"),
        ("[smtp]\nhost = \"a\"\nfrom = \"A <a@example.org>\"\npassword = \"s\"", "smtp"),
        ("[proof]\npath = \"log\"", "proof.path"),
        ("[proof]\npath = \"/log/\"", "proof.path"),
        ("[proof]\norigin = \"a b\"", "proof.origin"),
        ("[proof]\nthreshold = 1", "proof.threshold"),
        ("[proof]\nevery = \"0s\"", "proof.every"),
        ("[proof.key]\nfile = \"a\"\ncommand = [\"b\"]", "proof.key"),
        ("[proof.keep]\nfile = \"a\"\ncommand = [\"b\"]", "proof.keep"),
        ("[proof.keep]\ncommand = []", "proof: "),
        ("[[proof.witnesses]]\nurl = \"https://w.example.org\"\nkey = \"w+0+0\"", "proof.witnesses"),
    ] {
        let refused = from(text).expect_err(text);
        assert!(refused.contains(&format!("- {expected}")), "{text}\n{refused}");
    }
}

#[test]
fn an_academie_can_be_corrected() {
    let table = from("[imports.academies]\n\"620\" = \"02\"\n\"999\" = \"27\"").unwrap().imports.departments();
    let academie = |uai: &str| table.academie_of(uai.parse().unwrap()).map(|academie| academie.name());
    assert_eq!(academie("6200001A"), Some("Aix-Marseille"));
    assert_eq!(academie("9990001A"), Some("Corse"));
    assert_eq!(academie("7200001A"), Some("Corse"));
}

#[test]
fn every_contradiction_is_told_at_once() {
    let refused = from("[codes]\nattempts = 0\nsends = 0").unwrap_err();
    assert!(refused.contains("codes.attempts") && refused.contains("codes.sends"), "{refused}");
}

#[test]
fn a_secret_is_shown_nowhere() {
    let text = "[sms]\nurl = \"https://sms.example.org\"\ntoken = \"hunter2\"\n[master_key]\nvalue = \"hunter2\"";
    let config = from(text).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    assert!(!toml::to_string_pretty(&config).unwrap().contains("hunter2"));
    let refused = from("[sms]\nurl = \"https://sms.example.org\"\ntoken = [\"hunter2\"]").unwrap_err();
    assert!(refused.contains("sms.token") && !refused.contains("hunter2"), "{refused}");
}

#[test]
fn a_file_that_is_not_there_is_said_so() {
    let refused = load(Some("nowhere.toml".as_ref()), None).unwrap_err().to_string();
    assert!(refused.contains("nowhere.toml: there is no such file"), "{refused}");
}
