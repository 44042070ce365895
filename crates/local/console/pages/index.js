// The pages, in the order of the navigation. A page is a file beside this one that
// exports its path, the key of its title, and its component; and a line here.

import { home } from "./home.js";
import { tryIt } from "./try.js";
import { catalogue } from "./catalogue.js";
import { places } from "./places.js";
import { campaigns } from "./campaigns.js";
import { people } from "./people.js";
import { groups } from "./groups.js";
import { bridges } from "./bridges.js";
import { models } from "./models.js";
import { ingest } from "./ingest.js";

export const pages = [home, tryIt, catalogue, places, campaigns, people, groups, bridges, models, ingest];
