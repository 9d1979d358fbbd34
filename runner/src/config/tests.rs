use std::fs;

use tempfile::TempDir;

use super::*;

/// Loads `text` as `windlass.toml` of a folder, with variables.
fn load(text: &str, variables: &[(&str, &str)]) -> (TempDir, Result<Config, ConfigError>) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join(FILE_NAME);
    fs::write(&file, text).unwrap();
    let config = Config::load(Some(&file), &Variables::fixed(variables.iter().copied()));
    (folder, config)
}

/// The error's chain and hint, with the folder left out.
#[track_caller]
fn refused(text: &str, variables: &[(&str, &str)]) -> String {
    let (folder, config) = load(text, variables);
    let error = config.unwrap_err();
    let mut shown = error.to_string();
    if let Some(hint) = error.hint() {
        shown = format!("{shown}; {hint}");
    }
    shown.replace(&folder.path().display().to_string(), "…")
}

#[test]
fn defaults_are_these() {
    let config = Config::read(None, &Variables::fixed([("USER", "ada")])).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&config).unwrap(), @r#"
    {
      "repository": ".",
      "infra": "infra",
      "data_dir": null,
      "clusters": {},
      "secrets": {
        "placeholder": "StrongBase64Password",
        "environment": true,
        "directories": []
      },
      "queue": {
        "url": null,
        "name": "windlass.events",
        "password_file": null
      },
      "github": {
        "api": "https://api.github.com",
        "token_file": null,
        "environments": {}
      },
      "identity": {
        "name": "ada"
      },
      "verify": {
        "soak": "10s"
      },
      "log": {
        "filter": "info"
      },
      "telemetry": {
        "otlp_endpoint": null
      },
      "http": {
        "listen": "127.0.0.1:7878",
        "hosts": [],
        "anonymous": null,
        "connections": 512,
        "streams": 64,
        "github": {
          "repository": null,
          "secret_file": null
        },
        "tokens": {}
      }
    }
    "#);
}

/// Every key of `default.toml`, with those that are commented out.
fn documented_keys() -> Vec<String> {
    let (mut section, mut keys) = (String::new(), Vec::new());
    for line in DEFAULTS.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.replace(".dev", ".*").replace(".ci", ".*");
        } else if let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| !key.contains(' ')) {
            keys.push(keys::join(&section, key));
        }
    }
    keys
}

#[test]
fn every_key_is_documented_and_every_documented_key_is_known() {
    assert_eq!(documented_keys(), keys::KEYS);
}

#[test]
fn the_file_of_defaults_can_be_used_with_everything_in_it() {
    let is_key = |line: &str| {
        line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
    };
    let uncomment = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if is_key(rest) => rest.to_owned(),
        _ => line.to_owned(),
    };
    let text = DEFAULTS.lines().map(uncomment).collect::<Vec<_>>().join("\n");
    // `[clusters.dev]` stands between keys of the top level and the next section, as TOML wants it.
    let (_folder, config) = load(&text, &[("HOME", "/home/ada")]);
    let config = config.unwrap();
    let dev = &config.clusters[&"dev".parse().unwrap()];
    assert_eq!(dev.kubeconfig.as_deref(), Some(Path::new("/home/ada/.kube/config")));
    assert_eq!(dev.context.as_deref(), Some("dev"));
    assert_eq!(config.identity.name, "ada");
}

#[test]
fn variables_go_over_the_file_and_the_file_over_defaults() {
    let text = "infra = 'deploy'\n[log]\nfilter = 'debug'\n[verify]\nsoak = '1m 30s'\n";
    let variables = [
        ("WINDLASS_LOG__FILTER", "warn"),
        ("WINDLASS_SECRETS__ENVIRONMENT", "false"),
        ("WINDLASS_SECRETS__DIRECTORIES", "/run/one:/run/two"),
        ("WINDLASS_CLUSTERS__DEV__CONTEXT", "0123"),
        ("WINDLASS_IDENTITY__NAME", ""),
        ("WINDLASS_CONFIG", "elsewhere.toml"),
        ("LOGNAME", "grace"),
    ];
    let (_folder, config) = load(text, &variables);
    let config = config.unwrap();
    assert_eq!(config.infra, Path::new("deploy"));
    assert_eq!(config.log.filter, "warn");
    assert_eq!(config.verify.soak, Duration::from_secs(90));
    assert!(!config.secrets.environment);
    assert_eq!(config.secrets.directories, [Path::new("/run/one"), Path::new("/run/two")]);
    assert_eq!(config.clusters[&"dev".parse().unwrap()].context.as_deref(), Some("0123"));
    assert_eq!(config.identity.name, "grace");
}

#[test]
fn paths_of_a_file_are_relative_to_it() {
    let text = "repository = '..'\ndata_dir = 'state'\n[clusters.dev]\nkubeconfig = '/etc/kube'\n[secrets]\ndirectories = ['values', '~/values']\n";
    let (folder, config) = load(text, &[("HOME", "/home/ada")]);
    let config = config.unwrap();
    assert_eq!(config.repository, folder.path().join(".."));
    assert_eq!(config.data_dir, Some(folder.path().join("state")));
    assert_eq!(config.clusters[&"dev".parse().unwrap()].kubeconfig.as_deref(), Some(Path::new("/etc/kube")));
    assert_eq!(config.secrets.directories, [folder.path().join("values"), "/home/ada/values".into()]);
    let (_folder, config) = load("", &[("WINDLASS_REPOSITORY", "here")]);
    assert_eq!(config.unwrap().repository, Path::new("here"));
}

#[test]
fn an_unknown_key_is_refused_and_the_nearest_named() {
    for (text, expected) in [
        (
            "repo = '.'",
            "`repo` in `…/windlass.toml` is not a key of the configuration; see every key with `windlass config`",
        ),
        (
            "repositroy = '.'",
            "`repositroy` in `…/windlass.toml` is not a key of the configuration; did you mean `repository`?",
        ),
        (
            "placeholder = 'x'",
            "`placeholder` in `…/windlass.toml` is not a key of the configuration; did you mean `secrets.placeholder`?",
        ),
        (
            "[clusters.dev]\nkubeconfg = 'x'",
            "`clusters.dev.kubeconfg` in `…/windlass.toml` is not a key of the configuration; did you mean `clusters.dev.kubeconfig`?",
        ),
        (
            "[log.extra]\nlevel = 'x'",
            "`log.extra` in `…/windlass.toml` is not a key of the configuration; see every key with `windlass config`",
        ),
        (
            "[secret]\nplaceholder = 'x'",
            "`secret` in `…/windlass.toml` is not a key of the configuration; did you mean `secrets`?",
        ),
    ] {
        assert_eq!(refused(text, &[]), expected, "{text}");
    }
    let variable = refused("", &[("WINDLASS_LOG__FILTR", "info")]);
    assert_eq!(
        variable,
        "`log.filtr` in the environment variable `WINDLASS_LOG__FILTR` is not a key of the configuration; did you mean `log.filter`?"
    );
}

#[test]
fn a_wrong_value_is_refused_with_its_key_and_place() {
    for (text, variables, expected) in [
        (
            "[secrets]\nenvironment = 'maybe'",
            &[][..],
            "`secrets.environment` in `…/windlass.toml` must be a boolean, not string \"maybe\"",
        ),
        (
            "[verify]\nsoak = 'soon'",
            &[],
            "`verify.soak` in `…/windlass.toml` is wrong: `soon` is not a duration such as `30s` or `2m`",
        ),
        (
            "[verify]\nsoak = '-3s'",
            &[],
            "`verify.soak` in `…/windlass.toml` is wrong: `-3s` is not a duration such as `30s` or `2m`",
        ),
        (
            "log = 'info'",
            &[],
            "`log` in `…/windlass.toml` is a section, which has keys and no value of its own",
        ),
        (
            "[secrets]\ndirectories = 1",
            &[],
            "`secrets.directories` in `…/windlass.toml` is wrong: expected a list of texts",
        ),
        (
            "[clusters.Prod_EU]\ncontext = 'x'",
            &[],
            "`clusters` in `…/windlass.toml` is wrong: `Prod_EU` is not a cluster name: use lower-case letters, digits and `-`, at most 63, with a letter or digit at both ends",
        ),
        ("infra = '../infra'", &[], "`infra` in `…/windlass.toml` is not a path inside of the repository"),
        (
            "",
            &[("WINDLASS_SECRETS__PLACEHOLDER", "x")][..],
            "`secrets.placeholder` in the environment variable `WINDLASS_SECRETS__PLACEHOLDER` is shorter than eight characters: it could stand in a text by chance",
        ),
        (
            "",
            &[("WINDLASS_VERIFY__SOAK", "5")],
            "`verify.soak` in the environment variable `WINDLASS_VERIFY__SOAK` is wrong: `5` is not a duration such as `30s` or `2m`",
        ),
        (
            "[log]\nfilter = 'windlass=loud'",
            &[],
            "`log.filter` in `…/windlass.toml` is not a level, or levels by module, such as `info,windlass::sources=debug`",
        ),
        (
            "",
            &[("WINDLASS_A[", "5")],
            "`a[` in the environment variable `WINDLASS_A[` is not a key of the configuration; see every key with `windlass config`",
        ),
    ] {
        assert_eq!(refused(text, variables), expected, "{text} {variables:?}");
    }
}

#[test]
fn a_file_that_is_no_toml_is_named_with_the_line() {
    let (_folder, config) = load("repository = '.'\nthis is not toml\n", &[]);
    let error = config.unwrap_err();
    assert!(error.to_string().ends_with("windlass.toml` is not valid TOML"), "{error}");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("line 2"), "{source}");
}

#[test]
fn a_named_file_must_be_there() {
    let missing = Config::load(Some(Path::new("/nowhere/windlass.toml")), &Variables::fixed([])).unwrap_err();
    assert_eq!(missing.to_string(), "there is no configuration file `/nowhere/windlass.toml`");
}

#[test]
fn state_is_kept_outside_of_the_repository() {
    let (folder, config) = load("repository = '.'", &[]);
    let config = config.unwrap();
    let check = |variables: &[(&str, &str)]| {
        config.state_folder(&Variables::fixed(variables.iter().copied())).unwrap()
    };
    let own = folder_name(folder.path());
    assert_eq!(check(&[("HOME", "/home/ada")]), Path::new("/home/ada/.local/state/windlass").join(&own));
    assert_eq!(
        check(&[("HOME", "/home/ada"), ("XDG_STATE_HOME", "/state")]),
        Path::new("/state/windlass").join(&own)
    );
    assert_eq!(
        check(&[("HOME", "/home/ada"), ("XDG_STATE_HOME", "relative")]),
        Path::new("/home/ada/.local/state/windlass").join(&own)
    );
    assert_eq!(
        check(&[("STATE_DIRECTORY", "/var/lib/windlass:/var/lib/other")]),
        Path::new("/var/lib/windlass")
    );
    assert!(matches!(config.state_folder(&Variables::fixed([])), Err(ConfigError::NoStateFolder)));
    let configured = Config { data_dir: Some("/data".into()), ..config };
    assert_eq!(configured.state_folder(&Variables::fixed([])).unwrap(), Path::new("/data"));
    assert_ne!(folder_name(Path::new("/a/infra")), folder_name(Path::new("/b/infra")));
}

/// The keys of a row of the README's table; one that begins with a dot stands beside the one before it.
fn keys_of(cell: &str) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for name in cell.split('`').skip(1).step_by(2) {
        let beside = keys.last().and_then(|key| key.rsplit_once('.'));
        let key = match (name.strip_prefix('.'), beside) {
            (Some(name), Some((section, _))) => format!("{section}.{name}"),
            _ => name.replace("NAME", "*"),
        };
        keys.push(key);
    }
    keys
}

#[test]
fn the_readme_has_every_key_with_its_default() {
    let readme = include_str!("../../../README.md");
    let section = readme.split_once("## Configuration").expect("the section is there").1;
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows: Vec<Vec<&str>> = section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split(" | ").collect())
        .collect();
    let mut listed: Vec<String> = rows.iter().flat_map(|row| keys_of(row[0])).collect();
    let mut known = keys::KEYS.map(str::to_owned).to_vec();
    listed.sort();
    known.sort();
    assert_eq!(listed, known);
    let defaults = config::Config::builder().add_source(config::File::from_str(DEFAULTS, FileFormat::Toml));
    let defaults = defaults.build().unwrap();
    for row in rows {
        for key in keys_of(row[0]) {
            let Ok(default) = defaults.get_string(&key) else { continue };
            assert!(row[1].contains(&format!("`{default}`")), "`{key}` is `{default}`, not {}", row[1]);
        }
    }
}
