use super::*;

const DOCS: &str = include_str!("../../../../docs/rendezvous.md");

fn read(
    file: &str,
    environment: &[(&str, &str)],
    flags: &[(&'static str, &str)],
) -> Result<Config, String> {
    let environment = environment.iter().map(|(name, text)| ((*name).into(), (*text).into()));
    let flags = flags.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
    read_settings(Some(file), environment, &flags).map_err(|error| error.to_string())
}

#[test]
fn the_defaults_that_are_documented_are_the_defaults() {
    let mut config = Config { log: "none".into(), ..Config::default() };
    config.limits.max_devices = 1;
    for setting in SETTINGS {
        setting.put(&mut config, setting.default, Source::Flag).unwrap();
    }
    assert_eq!(config, Config::default());
}

/// One table for all: what the program knows and what is documented are the same, in the same order.
#[test]
fn the_table_in_the_documentation_is_the_settings() {
    let rows = DOCS.lines().filter(|line| line.starts_with("| `")).filter_map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, unit, default, about] = cells[..] else { return None };
        let name = name.trim_matches('`');
        SETTINGS.iter().any(|setting| setting.name == name).then(|| {
            (
                name.to_owned(),
                unit.to_owned(),
                default.trim_matches('`').to_owned(),
                about.to_owned(),
            )
        })
    });
    let settings = SETTINGS.iter().map(|setting| {
        let Setting { name, unit, default, about, .. } = setting;
        ((*name).into(), (*unit).into(), (*default).into(), (*about).into())
    });
    let (rows, settings): (Vec<_>, Vec<(String, String, String, String)>) =
        (rows.collect(), settings.collect());
    assert_eq!(rows, settings);
}

#[test]
fn flags_win_over_the_environment_and_the_environment_over_the_file() {
    let file = "grace_s = 1\nping_s = 1\nslow_reader_s = 1\nmax_devices = 7\n";
    let environment =
        [("MANYHANDS_RENDEZVOUS_PING_S", "2"), ("MANYHANDS_RENDEZVOUS_SLOW_READER_S", "2")];
    let config = read(file, &environment, &[("slow_reader_s", "3")]).unwrap();
    let times = [config.times.grace, config.times.ping, config.times.slow_reader];
    assert_eq!(times.map(|time| time.as_secs()), [1, 2, 3]);
    assert_eq!(config.limits.max_devices, 7);
    // Nothing takes back what was set before.
    let config = read("metrics = \"127.0.0.1:9\"", &[], &[("metrics", "")]).unwrap();
    assert_eq!(config.metrics, None);
}

#[test]
fn lists_and_texts_are_read_in_all_their_forms() {
    let list = read("trusted_proxies = [\"10.0.0.0/8\", \"::1\"]", &[], &[]).unwrap();
    let text = read("trusted_proxies = \"10.0.0.0/8, ::1\"", &[], &[]).unwrap();
    assert_eq!(list, text);
    assert_eq!(list.trusted_proxies.len(), 2);
    let header = read("proxy_header = \"Forwarded\"", &[], &[]).unwrap().proxy_header;
    assert_eq!(header, ProxyHeader::Forwarded);
    let config = read("plain_http = true\nlisten = \"[::1]:80\"", &[], &[]).unwrap();
    assert!(config.plain_http);
    let url = read("public_url = \"https://meet.example.org\"", &[], &[]).unwrap().public_url;
    assert_eq!(url.as_deref(), Some("https://meet.example.org:8470"));
}

#[test]
fn what_makes_no_sense_is_named_with_what_was_expected() {
    for (file, part) in [
        ("listen = \"everywhere\"", "`listen` in the file: expected an address and port"),
        ("listen = 8470", "expected an address and port"),
        ("max_devices = 0", "`max_devices` in the file: expected a whole number from 1"),
        ("max_devices = 1.5", "`max_devices` in the file: expected devices, not a float"),
        ("max_devices = -1", "got \"-1\""),
        ("grace_s = \"5s\"", "expected seconds from 0 to 600, got \"5s\""),
        ("plain_http = \"yes\"", "expected true or false"),
        ("trusted_proxies = [\"10.0.0.0/33\"]", "expected networks as 10.0.0.0/8"),
        ("trusted_proxies = [1]", "texts in the list"),
        ("proxy_header = \"x-real-ip\"", "expected x-forwarded-for or forwarded"),
        ("public_url = \"ftp://example.org\"", "expected https://HOST:PORT"),
        ("max_device = 3", "`max_device`: unknown"),
        ("max_devices = ", "the file is no TOML"),
        ("certificate = \"a\"", "needs `certificate_key`"),
        ("certificate_key = \"a\"", "needs `certificate`"),
        (
            "plain_http = true\nlisten = \"127.0.0.1:1\"\ncertificate = \"a\"\ncertificate_key = \"b\"",
            "contradicts `certificate`",
        ),
        ("plain_http = true", "`plain_http` listens on loopback only"),
        ("plain_http = true\nlisten = \"192.0.2.1:80\"", "`plain_http` listens on loopback only"),
    ] {
        let error = read(file, &[], &[]).unwrap_err();
        assert!(error.contains(part), "{file}: {error}");
    }
    let error = read("", &[("MANYHANDS_RENDEZVOUS_DRAIN_S", "\u{1b}[31m")], &[]).unwrap_err();
    assert_eq!(
        error,
        "MANYHANDS_RENDEZVOUS_DRAIN_S: expected seconds from 0 to 600, got \"\\u{1b}[31m\""
    );
    let error = read("", &[], &[("log_addresses", "maybe")]).unwrap_err();
    assert_eq!(error, "--log-addresses: expected true or false, got \"maybe\"");
}
