use pusher_proto::Secret;

use super::{InvalidProxy, Proxies, Proxy, proxy_url};

#[test]
fn reads_urls_and_writes_them() {
    let table = [
        ("http://[::1]", Proxy::http("::1", 80), "http://[::1]:80"),
        ("http://p:3128", Proxy::http("p", 3128), "http://p:3128"),
        ("p", Proxy::http("p", 80), "http://p:80"),
        ("socks5h://[::1]:9/", Proxy::socks5("::1", 9), "socks5h://[::1]:9"),
        ("http://a%40b:c%3Ad@p", Proxy::http("p", 80).credentials("a@b", "c:d"), "http://a%40b:c%3Ad@p:80"),
    ];
    for (text, proxy, url) in table {
        assert_eq!(proxy_url(&proxy), Secret::from(url));
        assert_eq!(text.parse(), Ok(proxy), "{text}");
    }
    let long = format!("socks5://u:{}@p", "x".repeat(256));
    let table = [
        ("https://p", InvalidProxy::Protocol("https".into())),
        ("user:secret@https://p", InvalidProxy::Url),
        ("http://", InvalidProxy::Url),
        ("http://p:0", InvalidProxy::Url),
        ("http://:80", InvalidProxy::Url),
        ("http://a b:80", InvalidProxy::Url),
        ("http://p:99999", InvalidProxy::Url),
        ("http://p:+80", InvalidProxy::Url),
        ("http://u:%zz@p", InvalidProxy::Url),
        ("http://u:%+1@p", InvalidProxy::Url),
        ("http://u:%1@p", InvalidProxy::Url),
        ("http://u:%ff@p", InvalidProxy::Url),
        ("socks5://u@p", InvalidProxy::Credentials),
        (&long, InvalidProxy::Credentials),
    ];
    for (text, error) in table {
        assert_eq!(text.parse::<Proxy>(), Err(error), "{text}");
    }
    let proxy = Proxy::http("::1", 1).credentials("u", "pw");
    let proxy = Proxy { ..proxy }.credentials("t0ken", "pw");
    let debug = format!("{proxy:?} {:?} {:?}", Proxies::one(proxy.clone()), crate::Options::new().proxy(proxy.clone()));
    assert!(!debug.contains("pw") && !debug.contains("t0ken"), "{debug}");
    assert_eq!(proxy.to_string(), "[::1]:1");
}

/// Credentials of any characters come back from a URL, or are refused because their protocol cannot carry them.
#[test]
fn credentials_of_any_characters_survive_a_url_or_are_refused() {
    let texts = [
        "",
        "a",
        ":",
        "a:",
        ":a",
        "a:b",
        "@",
        "%",
        "%41",
        "/",
        "?#[]",
        " ",
        "\u{e9}",
        "\0",
        &"x".repeat(255),
        &"x".repeat(256),
    ];
    for user in texts {
        for password in texts {
            let fits = |text: &str| (1..=255).contains(&text.len());
            let http = (Proxy::http("p", 1).credentials(user, password), !user.contains(':'));
            let socks = (Proxy::socks5("p", 1).credentials(user, password), fits(user) && fits(password));
            for (proxy, is_valid) in [http, socks] {
                let read = proxy_url(&proxy).expose().parse();
                assert_eq!(
                    read,
                    if is_valid { Ok(proxy) } else { Err(InvalidProxy::Credentials) },
                    "{user:?} {password:?}"
                );
            }
        }
    }
}

#[test]
fn the_environment_determines_the_proxy_and_its_exceptions() {
    let proxies = Proxies::from_env(|name| match name {
        "HTTPS_PROXY" => Some("http://secure:1".into()),
        "all_proxy" => Some("socks5://any:2".into()),
        "NO_PROXY" => Some("localhost, .example.com,10.0.0.1:80,[::1]".into()),
        _ => None,
    });
    let proxies = proxies.unwrap();
    let secure = Proxy::http("secure", 1);
    assert_eq!(proxies.find("h", 443, true), Some(&secure));
    assert_eq!(proxies.find("h", 80, false), Some(&Proxy::socks5("any", 2)));
    for (host, port) in [("localhost", 443), ("A.Example.com", 1), ("example.com", 1), ("10.0.0.1", 80), ("::1", 9)] {
        assert_eq!(proxies.find(host, port, true), None, "{host}");
    }
    for (host, port) in [("myexample.com", 443), ("10.0.0.1", 443), ("h.localhost.org", 1)] {
        assert_eq!(proxies.find(host, port, true), Some(&secure), "{host}");
    }
    assert!(Proxies::from_env(|_| Some("ftp://p".into())).is_err());
    assert!(Proxies::from_env(|_| None).unwrap().find("h", 1, true).is_none());
}
