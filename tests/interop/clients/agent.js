// pusher-js, steered from outside: the same in a process of node and in a page.

/** Keeps clients, and tells what happens to each. */
export class Agent {
  #Pusher;
  #tell;
  #clients = new Map();

  /** Calls `tell` with the id of a client, what the event is about, its name, and its data as JSON. */
  constructor(Pusher, tell) {
    this.#Pusher = Pusher;
    this.#tell = tell;
  }

  connect(id, key, options) {
    const pusher = new this.#Pusher(key, options);
    this.#clients.set(id, pusher);
    const { connection, user } = pusher;
    connection.bind("state_change", ({ current }) => this.#report(id, "connection", current, connection.socket_id));
    connection.bind("error", (error) => this.#report(id, "errors", "error", error.error?.data ?? error.data));
    connection.bind("message", ({ event, data }) => this.#report(id, "messages", event, data));
    user.bind_global((event, data) => this.#report(id, "user", event, data));
    user.watchlist.bind_global((event, data) => this.#report(id, "watchlist", event, data));
  }

  disconnect(id) {
    this.#clients.get(id).disconnect();
  }

  signin(id) {
    this.#clients.get(id).signin();
  }

  subscribe(id, name) {
    const channel = this.#clients.get(id).subscribe(name);
    channel.bind_global((event, data) => this.#report(id, name, event, data));
  }

  again(id, name) {
    this.#clients.get(id).subscribe(name);
  }

  unsubscribe(id, name) {
    this.#clients.get(id).unsubscribe(name);
  }

  trigger(id, name, event, data) {
    this.#clients.get(id).channel(name).trigger(event, data);
  }

  /** From now on tells also what pusher-js knows of an event beside its data. */
  watch(id, name, event) {
    const told = (_, metadata) => this.#report(id, name, `metadata of ${event}`, metadata);
    this.#clients.get(id).channel(name).bind(event, told);
  }

  /** What pusher-js keeps of a channel. */
  look(id, name) {
    const { members, subscriptionCount, subscribed } = this.#clients.get(id).channel(name);
    return { members: members?.members, subscriptionCount, subscribed };
  }

  #report(id, about, event, data) {
    this.#tell(id, about, event, JSON.stringify(data));
  }
}
