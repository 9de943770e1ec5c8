// Peer for the intake: Express + zod + BullMQ. One job per notification; `addBulk` for many at once.
//   node intake.js PORT REDIS_PORT QUEUE KEY
// Checks a bearer key (constant text), validates the same fields as POST /v1/notifications, answers 202 with the id.
import { randomUUID } from "node:crypto";
import { Queue } from "bullmq";
import express from "express";
import { z } from "zod";

const [port, redisPort, queueName, key] = process.argv.slice(2);
const queue = new Queue(queueName, { connection: { host: "127.0.0.1", port: Number(redisPort) } });
const keep = { removeOnComplete: true, removeOnFail: 1000 };

const notification = z.strictObject({
  to: z.strictObject({ users: z.array(z.string().min(1).max(128)).min(1).max(1000) }),
  event: z.string().regex(/^[A-Za-z0-9._:/-]{1,100}$/),
  data: z.record(z.string(), z.unknown()),
  priority: z.enum(["critical", "normal", "bulk"]).default("normal"),
  ttl: z.number().int().min(1).max(2592000).default(86400),
});
const batch = z.strictObject({ notifications: z.array(notification).min(1).max(1000) });

const app = express();
app.disable("x-powered-by");
app.disable("etag");
app.use((request, response, next) => {
  if (request.headers.authorization === `Bearer ${key}`) next();
  else response.status(401).json({ error: "unauthenticated" });
});
app.use(express.json({ limit: "4mb" }));

app.post("/v1/notifications", async (request, response) => {
  const checked = notification.safeParse(request.body);
  if (!checked.success) return response.status(422).json({ error: checked.error.issues });
  const id = randomUUID();
  await queue.add("deliver", { id, ...checked.data }, keep);
  response.status(202).json({ id, status: "accepted" });
});

app.post("/v1/notifications/batch", async (request, response) => {
  const checked = batch.safeParse(request.body);
  if (!checked.success) return response.status(422).json({ error: checked.error.issues });
  const jobs = checked.data.notifications.map((one) => ({
    name: "deliver", data: { id: randomUUID(), ...one }, opts: keep,
  }));
  await queue.addBulk(jobs);
  response.status(202).json({ items: jobs.map((job) => ({ id: job.data.id, status: "accepted" })) });
});

app.get("/health", (_request, response) => response.json({ status: "UP" }));
app.listen(Number(port), "127.0.0.1", () => console.log("ready"));
