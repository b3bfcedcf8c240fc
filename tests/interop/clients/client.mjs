// A client of `pusher-js` as the checks see it, wherever it runs.

import Pusher from "pusher-js";

import { Agent } from "./agent.js";
import { APP } from "./server.mjs";
import { Recorder } from "./waiting.mjs";

/** Where clients run. */
export class World {
  #clients = new Map();
  #call;

  /** Takes what calls a method of the agent there. */
  constructor(call) {
    this.#call = call;
  }

  /** This process. */
  static node() {
    const world = new World(async (method, args) => agent[method](...args));
    const agent = new Agent(Pusher, world.tell);
    return world;
  }

  /** Where the agent tells what happens. */
  tell = (id, about, event, json) => {
    this.#clients.get(id)?.add(about, event, json === undefined ? undefined : JSON.parse(json));
  };

  call(method, ...args) {
    return this.#call(method, args);
  }

  enter(client) {
    this.#clients.set(client.id, client);
  }
}

/** `pusher-js`, and what happened to it. */
export class Client {
  static #made = 0;

  #world;
  #channels = new Map();
  id = Client.#made++;
  states = new Recorder("connection");
  errors = new Recorder("errors");
  messages = new Recorder("messages");
  user = new Recorder("user");
  watchlist = new Recorder("watchlist");

  /** A client that is about to connect. The options of a user are told to the auth endpoints at `auth`. */
  static async start(world, { key = APP.key, port, auth, userId, userInfo, watchlist, ...options }) {
    const client = new Client();
    client.#world = world;
    world.enter(client);
    const params = {};
    if (userId !== undefined) params.user_id = userId;
    if (userInfo !== undefined) params.user_info = JSON.stringify(userInfo);
    if (watchlist !== undefined) params.watchlist = JSON.stringify(watchlist);
    await world.call("connect", client.id, key, {
      cluster: "",
      wsHost: "127.0.0.1",
      wsPort: port,
      forceTLS: false,
      enabledTransports: ["ws"],
      channelAuthorization: { endpoint: `${auth}/pusher/auth`, params },
      userAuthentication: { endpoint: `${auth}/pusher/user-auth`, params },
      ...options,
    });
    return client;
  }

  add(about, event, data) {
    const recorders = {
      connection: this.states,
      errors: this.errors,
      messages: this.messages,
      user: this.user,
      watchlist: this.watchlist,
    };
    (recorders[about] ?? this.#channels.get(about)).add(event, data);
  }

  get state() {
    return this.states.latest.event;
  }

  /** The id of the connection that there is. */
  get socketId() {
    return this.states.latest.data;
  }

  /** Waits until it is connected. */
  connected() {
    return this.states.next("connected");
  }

  /** The next error, as its code and message. */
  error() {
    return this.errors.next("error");
  }

  /** Subscribes, and waits for the answer. */
  async subscribe(name) {
    const subscription = await this.subscribing(name);
    await subscription.succeeded();
    return subscription;
  }

  async subscribing(name) {
    const events = new Recorder(name);
    this.#channels.set(name, events);
    await this.#world.call("subscribe", this.id, name);
    return new Subscription((method, ...args) => this.#world.call(method, this.id, name, ...args), events);
  }

  /** Subscribes to a channel that was refused once more. */
  async again(name) {
    await this.#world.call("again", this.id, name);
  }

  /** Signs in, and waits for the answer: who the user is. */
  async signin() {
    await this.signingIn();
    return this.signedIn();
  }

  async signingIn() {
    await this.#world.call("signin", this.id);
  }

  async signedIn() {
    return JSON.parse((await this.messages.next("pusher:signin_success")).user_data);
  }

  async disconnect() {
    await this.#world.call("disconnect", this.id);
  }
}

/** A channel of `pusher-js`, and its events. */
class Subscription {
  #call;

  constructor(call, events) {
    this.#call = call;
    this.events = events;
  }

  succeeded() {
    return this.events.next("pusher:subscription_succeeded");
  }

  next(event) {
    return this.events.next(event);
  }

  saw(event) {
    return this.events.saw(event);
  }

  /** From now on, what `pusher-js` tells of such events beside their data comes with the name `metadata of …`. */
  async watch(event) {
    await this.#call("watch", event);
  }

  async trigger(event, data) {
    await this.#call("trigger", event, data);
  }

  async unsubscribe() {
    await this.#call("unsubscribe");
  }

  /** What `pusher-js` keeps of the channel: members, subscriptionCount, subscribed. */
  look() {
    return this.#call("look");
  }
}
