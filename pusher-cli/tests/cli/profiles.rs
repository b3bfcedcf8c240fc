//! `--profile`, completions and manual pages.

use std::path::{Path, PathBuf};

use crate::support::{Running, pusher, pusher_with, server};

fn directory(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

fn config(name: &str, text: &str) -> PathBuf {
    let path = directory(name).join("config.toml");
    std::fs::write(&path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_stands_for_the_server_and_the_credentials() {
    let server = server().await;
    let url = server.ws_url();
    let text = format!(
        "[profiles.local]\nurl = \"{url}\"\napp-id = \"1\"\nkey = \"app-key\"\nsecret-file = \"secret\"\nuser-id = \"ann\"\n"
    );
    let path = config("profile", &text);
    std::fs::write(path.with_file_name("secret"), "app-secret\n").unwrap();
    let path = path.to_str().unwrap();
    let env = [("PUSHER_CONFIG", path), ("PUSHER_KEY", "of another server"), ("PUSHER_URL", "ws://127.0.0.1:1")];

    let listen = ["listen", "--profile", "local", "-c", "presence-chat", "--count", "1"];
    let mut listening = Running::start_with(&env, &listen);
    listening.line_with("1 here: ann").await;
    let run = pusher_with(&env, &["trigger", "--profile=local", "-c", "presence-chat", "-e", "x", "-d", "{}"]).await;
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    assert_eq!(listening.end().await.code, Some(0));
    let run = pusher_with(&[env[0], ("PUSHER_PROFILE", "local")], &["channels"]).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    // Flags come before the profile.
    let run = pusher_with(&env, &["channels", "--profile", "local", "--secret", "wrong"]).await;
    run.expect_failure(4, "the HTTP API refused the id, key or secret");
    let sign = ["--profile", "local", "sign", "channel", "private-a", "--socket-id", "1.2"];
    assert_eq!(pusher_with(&env, &sign).await.code, Some(0));
    let help = pusher_with(&env, &["trigger", "--help", "--profile", "local"]).await;
    assert!(help.code == Some(0) && !help.stdout.contains("app-secret"), "{help:?}");
}

#[tokio::test]
async fn a_profile_that_cannot_be_used_is_wrong_usage() {
    let table = [
        ("[profiles.a]\nkey = \"k\"\n[profiles.b]\n", "there is no profile local in ", "which has a, b"),
        ("[profiles.local]\nsecret = tofu\n", ", line 2: ", ""),
        ("[profiles.local]\nsecret = 4711123\n", ", line 2: expected a string", ""),
        ("[profiles.local]\nsecrets = \"tofu\"\n", ", line 2: unknown field `secrets`", ""),
        ("[profiles.local]\nurl = \"ws://h\"\ncluster = \"eu\"\n", "either a url or a cluster", "(profile local in "),
        ("[profiles.local]\nmaster-key = \"tofu\"\n", "a master key has 32 bytes", ""),
    ];
    for (text, part, second) in table {
        let path = config("wrong-profile", text);
        let env = [("PUSHER_CONFIG", path.to_str().unwrap())];
        let run = pusher_with(&env, &["channels", "--profile", "local"]).await;
        run.expect_failure(2, part);
        run.expect_failure(2, second);
        assert!(!run.stderr.contains("tofu") && !run.stderr.contains("4711"), "{run:?}");
    }
    let run = pusher_with(&[("PUSHER_CONFIG", "/no/such/file")], &["channels", "--profile", "local"]).await;
    run.expect_failure(2, "profile local: cannot read /no/such/file: ");
}

#[cfg(unix)]
#[tokio::test]
async fn secrets_that_others_can_read_are_reported() {
    use std::os::unix::fs::PermissionsExt as _;

    let path = config("readable", "[profiles.local]\nkey = \"k\"\nsecret = \"tofu\"\n");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let env = [("PUSHER_CONFIG", path.to_str().unwrap())];
    let sign = ["sign", "channel", "private-a", "--socket-id", "1.2", "--profile", "local"];
    let run = pusher_with(&env, &sign).await;
    assert!(run.code == Some(0) && run.stderr.contains("can be read by others: chmod 600 it"), "{run:?}");
}

#[tokio::test]
async fn completions_know_the_commands_and_the_flags() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let run = pusher(&["completions", shell]).await;
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{shell}");
        for word in ["auth-server", "keep-trying", "profile"] {
            assert!(run.stdout.contains(word), "{shell} does not complete {word}");
        }
        assert!(!run.stdout.contains("profile-server"), "{shell}");
    }
    pusher(&["completions", "cmd"]).await.expect_failure(2, "invalid value 'cmd'");
}

#[tokio::test]
async fn there_is_a_manual_page_for_each_command() {
    let run = pusher(&["man"]).await;
    assert!(run.code == Some(0) && run.stdout.contains(".TH pusher 1"), "{run:?}");
    let directory = directory("man");
    let run = pusher(&["man", "--dir", directory.to_str().unwrap()]).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    for page in ["pusher.1", "pusher-listen.1", "pusher-sign-channel.1", "pusher-auth-server.1"] {
        assert!(directory.join(page).exists(), "{page}");
    }
}
