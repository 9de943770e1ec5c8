// Peer for the worker: BullMQ, one job per notification, BEGIN / 2 x INSERT / COMMIT with pg, then PUBLISH.
//   node worker.js fill  REDIS_PORT QUEUE COUNT USERS            puts COUNT jobs into the queue
//   node worker.js work  REDIS_PORT QUEUE DATABASE_URL CHANNEL   works on them, 50 at a time
import { randomUUID } from "node:crypto";
import { Queue, Worker } from "bullmq";
import Redis from "ioredis";
import pg from "pg";

const [verb, redisPort, queueName, ...rest] = process.argv.slice(2);
const connection = { host: "127.0.0.1", port: Number(redisPort), maxRetriesPerRequest: null };

async function fill(count, users) {
  const queue = new Queue(queueName, { connection });
  const opts = { removeOnComplete: true, removeOnFail: 1000 };
  for (let at = 0; at < count; at += 1000) {
    const jobs = [];
    for (let i = at; i < Math.min(count, at + 1000); i++) {
      const data = { id: randomUUID(), to: { users: [`u${i % users}`] }, event: "bench", data: { pad: "x".repeat(180) } };
      jobs.push({ name: "deliver", data, opts });
    }
    await queue.addBulk(jobs);
  }
  await queue.close();
}

function work(databaseUrl, channel) {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 50 });
  const redis = new Redis(connection);
  const worker = new Worker(queueName, async (job) => {
    const { id, to, event, data } = job.data;
    const client = await pool.connect();
    try {
      await client.query("BEGIN");
      await client.query({ name: "n", text: "INSERT INTO peer_notifications (id, event, data) VALUES ($1, $2, $3)",
        values: [id, event, JSON.stringify(data)] });
      await client.query({ name: "d", text: "INSERT INTO peer_deliveries (notification_id, user_name, state) VALUES ($1, $2, 'pending')",
        values: [id, to.users[0]] });
      await client.query("COMMIT");
    } catch (error) {
      await client.query("ROLLBACK");
      throw error;
    } finally {
      client.release();
    }
    await redis.publish(channel, JSON.stringify({ to: to.users[0], id, event, data }));
  }, { connection, concurrency: 50 });
  worker.on("error", (error) => console.error(error.message));
  worker.waitUntilReady().then(() => console.log("ready"));
}

if (verb === "fill") await fill(Number(rest[0]), Number(rest[1]));
else work(rest[0], rest[1]);
