//! Signatures of the official documents and of the test suites of pusher-http-node and pusher-websocket-swift.

use core::time::Duration;

use super::*;

/// `secret socket_id:channel[:channel_data] signature`
const CHANNELS: &str = r#"
7ad3773142a6692b25b8 1234.1234:private-foobar 58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4
7ad3773142a6692b25b8 1234.1234:presence-foobar:{"user_id":10,"user_info":{"name":"Mr. Pusher"}} afaed3695da2ffd16931f457e338e6c9f2921fa133ce7dac49f529792be6304c
tofu 123.456:test efa6cf7644a0b35cba36aa0f776f3cbf7bb60e95ea2696bde1dbe8403b61bd7c
tofu 321.654:test f6ecb0a17d3e4f68aca28f1673197a7608587c09deb0208faa4b5519aee0a777
tofu 123.456:test1 d5ab857f805433cb50562da96afa41688d7742a3c3a021ed15a4d991a4d8cf94
tofu 123.456:test2 43affa6a09af1fb9ce1cadf176171346beaf7366673ec1e5920f68b3e97a466d
1 123.456:test 584828bd6e80b2d177d2b28fde07b8e170abf87ccb5a791a50c933711fb8eb28
2 123.456:test 269bbf3f7625db4e0d0525b617efa5915c3ae667fd222dc8e4cb94bc531f26f2
tofu 123.456:test:{"foo":"bar"} f41faf9ead2ea76772cc6b1168363057459f02499ae4d92e88229dc7f4efa2d4
tofu 1.1:test:"ą§¶™€łü€ß£" 2a229263e89d9c50524fd80c2e88be2843379f6931e28995e2cc214282c9db0c
tofu 123.456:private-encrypted-bla:"foo" 962c48b78bf93d98ff4c92ee7dff04865821455b7b401e9d60a9e0a90af2c105
tofu 123.456:bla:"foo" 013ad3da0d88e0df6ae0a8184bef50b9c3933f2344499e6e3d1ad67fad799e20
secret 45481.3166671:private-channel 6aae8814fabd5285245422096705abbed64ea59614648814ffb0bf2dc5d19168
secret 45481.3166671:private-test-channel 0d0d2e7c2cd967246d808180ef0f115dad51979e48cac9ad203928141f9e6a6f
superSecretSecret 45481.3166671:private-channel e1d0947a10d6ff1a25990798910b2505687bb096e3e8b6c97eef02c6b1abb4c7
secret 45481.3166671:presence-channel:{"user_id":"45481.3166671"} 5ce61ee2b8594e22b66323913d7c7af9d8e815659365be3627733993f4ce3824
secret 45481.3166671:presence-channel:{"user_id":"123"} c2b53f001321bc088814f210fb63c259b464f590890eee2dde6387ea9b469a30
secret 45481.3166671:presence-channel:{"user_id":"123","user_info":{"friends":0}} 80cfefb0ef08fb55353dbbc0480e6160059fac14fce862e9ed1f0121ae8a440f
secret 45481.3166671:presence-channel:{"user_info":{"friends":0},"user_id":"123"} dd2885ee6dc6f5c964d8e3c720980397db50bf8f528e0630d4208bff80ee23f0
secret 45481.3166671:presence-test:{"user_id":"123","user_info":{"twitter":"hamchapman"}} e5ee520a16348ced21be557e14ae70fcd1ae89f79d32d14d22a19049eaf56881
secret 45481.3166671:presence-test:{"user_info":{"twitter":"hamchapman"},"user_id":"123"} 736f0b19c2e56f985f3e6faa38db5b69d39305bc8519952c8f9f5595d69fcb3d
"#;

/// `secret socket_id::user::user_data signature`
const USERS: &str = r#"
7ad3773142a6692b25b8 1234.1234::user::{"id":"12345"} 4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba
tofu 123.456::user::{"id":"45678"} f4b1fdeea7c93e32648c7230e32b172057c5623cace6cfce791c6e7035e0babd
tofu 123.456::user::{"id":"55555","user_name":"test"} b8a9f173455903792ae2b788add0c4c78ad7372b3ae7fb5769479276a1993743
1 123.456::user::{"id":"45678"} 79bddf29fe8e2153dd5d8d569b3f45e5aeb26ae2eb4758879d844791b466cfa2
2 123.456::user::{"id":"45678"} a542498ffa6faf6de7c17a8106b923c042319bd73acfd1d274df32e269b55d1f
tofu 1.1::user::{"id":"ą§¶™€łü€ß£"} 620494cee53d6c568b49598313194088afda37218f0d059af03c0c898ed61ff4
"#;

/// `secret body signature`, where the secret and the body may be empty.
const WEBHOOKS: &str = r#"
tofu {"time_ms":1403175510755,"events":[{"channel":"test_channel","name":"channel_vacated"}]} c17257e92037cd7de407ebc1ed174ceb7b2e518db127f44411b9ffc4f5b28cc5
mysecret {"user":"my user data"} 7705bb9a7934fe4ceee2325e23750f35752899448c2fe5b064d93326c98fd5b3
 {"user":"my user data"} a31926f3c0e20c8fd6174ac08c0057708590b6a6bb081a04560ea60b4500738a
mysecret  9074a74de0f34ece3f046403ae88d2eea400281da0ed6ebfa76c949016fa672d
"#;

/// The application of a vector's secret, what was signed, and the signature.
fn vectors(lines: &str) -> impl Iterator<Item = (App, &str, &str)> {
    lines.trim_matches('\n').split('\n').map(|line| {
        let (secret, rest) = line.split_once(' ').unwrap();
        let (string, signature) = rest.rsplit_once(' ').unwrap();
        (app("key", secret), string, signature)
    })
}

fn app(key: &str, secret: &str) -> App {
    App::new("3", key, secret).unwrap().encryption_master_key(MasterKey::new([7; 32]))
}

fn socket(id: &str) -> SocketId {
    SocketId::new(id).unwrap()
}

#[test]
fn channels() {
    for (app, string, signature) in vectors(CHANNELS) {
        let mut parts = string.splitn(3, ':');
        let id = socket(parts.next().unwrap());
        let channel = ChannelName::new(parts.next().unwrap()).unwrap();
        let data = parts.next();
        let response = match data {
            None => app.authorize_channel(&id, &channel),
            Some(data) => app.authorize_channel_with_data(&id, &channel, data),
        };
        if channel.kind() == ChannelKind::Public {
            // The official libraries sign such names.
            assert_eq!((app.sign(string.as_bytes()).as_str(), response), (signature, Err(SigningError::ChannelName)));
            continue;
        }
        let response = response.unwrap();
        assert_eq!(response.auth, Secret::from(format!("key:{signature}")), "{string}");
        assert_eq!(response.channel_data.as_deref(), data);
        assert_eq!(app.verify_channel(&id, &channel, data, response.auth.expose()), Ok(()));
    }
}

/// The example of a presence channel in the document *Authentication and authorization signatures* shows the digest for
/// the name `Mr. Pusher` with the name `Mr. Channels`: the name in the text was changed, but not the digest.
#[test]
fn the_presence_signature_of_the_official_document_is_of_another_name() {
    let app = app("278d425bdf160c739803", "7ad3773142a6692b25b8");
    let (id, channel) = (socket("1234.1234"), ChannelName::new("presence-foobar").unwrap());
    let data = r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#;
    let auth = "278d425bdf160c739803:31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80";
    assert_eq!(app.authorize_channel_with_data(&id, &channel, data).unwrap().auth, Secret::from(auth));
    let documented = "278d425bdf160c739803:afaed3695da2ffd16931f457e338e6c9f2921fa133ce7dac49f529792be6304c";
    assert_eq!(app.verify_channel(&id, &channel, Some(data), documented), Err(InvalidAuth::Signature));
}

#[test]
fn users() {
    for (app, string, signature) in vectors(USERS) {
        let (id, data) = string.split_once("::user::").unwrap();
        let auth = app.authenticate_user(&socket(id), data).unwrap();
        assert_eq!(auth.auth, Secret::from(format!("key:{signature}")), "{string}");
        assert_eq!(app.verify_user(&socket(id), data, auth.auth.expose()), Ok(()));
        assert_eq!(app.verify_user(&socket(id), "{}", auth.auth.expose()), Err(InvalidAuth::Signature));
    }
}

#[test]
fn webhooks() {
    for (app, body, signature) in vectors(WEBHOOKS) {
        let body = body.as_bytes();
        if body.is_empty() {
            assert_eq!((app.sign(body).as_str(), app.sign_webhook(body)), (signature, Err(SigningError::Webhook)));
            continue;
        }
        assert_eq!(app.sign_webhook(body).as_deref(), Ok(signature));
        assert_eq!(app.verify_webhook("key", signature, body), Ok(()));
        assert_eq!(app.verify_webhook("other", signature, body), Err(InvalidAuth::Key));
        assert_eq!(app.verify_webhook("key", "000", body), Err(InvalidAuth::Signature));
    }
}

#[test]
fn shared_secrets() {
    let key = MasterKey::from_base64("zyrm8pvV2C9fJcBfhyXzvxbJVN/H7QLmbe0xJi1GhPU=").unwrap();
    let channel = ChannelName::new("private-encrypted-bla").unwrap();
    assert_eq!(key.shared_secret(&channel), Secret::from("nlr49ISQHz91yS3cy/yWmW8wFMNeTnNL5tNHnbPJcLQ="));
}

#[test]
fn calls_of_the_http_api() {
    let body = r#"{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}"#;
    assert_eq!(body_md5(body.as_bytes()), "ec365a775a4cd0599faeb73354201b6f");
    let docs = app("278d425bdf160c739803", "7ad3773142a6692b25b8");
    let post = ApiRequest { method: "POST", path: "/apps/3/events", body: body.as_bytes() };
    let query = "auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0\
        &body_md5=ec365a775a4cd0599faeb73354201b6f\
        &auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c";
    assert_eq!(docs.sign_request(&post, &[], Duration::from_secs(1_353_088_179)).unwrap(), query);

    let node = app("f00d", "tofu");
    let get = ApiRequest { method: "GET", path: "/event", body: b"example body" };
    let query = "auth_key=f00d&auth_timestamp=1234567890&auth_version=1.0&body_md5=165d5e6d7ca8f73b3853ce45addf42fc\
        &auth_signature=a650196dc427ebe837226f8565ca9232198c6d1b9455eaa72374a9dc0b620e7b";
    assert_eq!(node.sign_request(&get, &[], Duration::from_secs(1_234_567_890)).unwrap(), query);
    assert_eq!(node.verify_request(&get, query, Duration::from_secs(1_234_567_890)), Ok(()));

    let bare = ApiRequest { body: b"", ..get };
    let query = "auth_key=f00d&auth_timestamp=1234567890&auth_version=1.0&baz=123454321&foo=bar\
        &auth_signature=d8bdbd31911fb7400a14fbd36fd7de053494725b64400ae5856deafe304b34a9";
    let params = [("foo", "bar"), ("baz", "123454321")];
    assert_eq!(node.sign_request(&bare, &params, Duration::from_secs(1_234_567_890)).unwrap(), query);
}
