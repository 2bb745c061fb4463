/** Where the dashboard is served. A proxy may add a prefix, so the addresses follow from the script's own. */

const script = import.meta.url;

const app = import.meta.env.DEV ? new URL("/app/", location.href) : new URL("..", script);

/** The path of the dashboard without a trailing slash, such as `/app` or `/support/app`. */
export const appPath = app.pathname.replace(/\/$/, "");
/** The service's own address, with a trailing slash. */
export const serviceUrl = new URL("..", app).href;
export const graphqlUrl = new URL("graphql", serviceUrl).href;
