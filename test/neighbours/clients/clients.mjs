// Clients that refresh the view "sales", each as its users write it: clients.mjs NAME.  The server is that of
// PGHOST, PGPORT, PGUSER and PGDATABASE.
import pg from 'pg'

const configuration = {
    host: process.env.PGHOST, port: Number(process.env.PGPORT), user: process.env.PGUSER, database: process.env.PGDATABASE,
}

async function withClient(use) {
    const client = new pg.Client(configuration)
    await client.connect()
    try { await use(client) } finally { await client.end() }
}

async function withDrizzle(use) {
    const { drizzle } = await import('drizzle-orm/node-postgres')
    const { pgMaterializedView, integer } = await import('drizzle-orm/pg-core')
    const sales = pgMaterializedView('sales', { region: integer('region'), orders: integer('orders') }).existing()
    await withClient(client => use(drizzle(client), sales))
}

async function withKnex(use) {
    const { default: knex } = await import('knex')
    const database = knex({ client: 'pg', connection: configuration })
    try { await use(database) } finally { await database.destroy() }
}

async function withTypeorm(use) {
    await import('reflect-metadata')
    const { default: typeorm } = await import('typeorm')
    const source = new typeorm.DataSource({ type: 'postgres', host: configuration.host, port: configuration.port,
                                            username: configuration.user, database: configuration.database })
    await source.initialize()
    try { await use(source) } finally { await source.destroy() }
}

const clients = {
    pg: () => withClient(async client => {
        const result = await client.query('REFRESH MATERIALIZED VIEW sales')
        if (result.command !== 'REFRESH') throw new Error(`the command is ${result.command}`)
    }),
    pg_parameters: () => withClient(async client => {
        for (let i = 0; i < 3; i++)
            await client.query({ name: 'refresh', text: 'REFRESH MATERIALIZED VIEW sales', values: [] })
    }),
    drizzle: () => withDrizzle((database, view) => database.refreshMaterializedView(view)),
    drizzle_concurrently: () => withDrizzle((database, view) => database.refreshMaterializedView(view).concurrently()),
    knex: () => withKnex(database => database.schema.refreshMaterializedView('sales')),
    knex_concurrently: () => withKnex(database => database.schema.refreshMaterializedView('sales', true)),
    typeorm: () => withTypeorm(source => source.query('REFRESH MATERIALIZED VIEW sales')),
    typeorm_transaction: () => withTypeorm(source => source.transaction(async manager => {
        await manager.query('UPDATE orders SET amount = amount + $1 WHERE id = 5', [1])
        await manager.query('REFRESH MATERIALIZED VIEW CONCURRENTLY "sales"')
    })),
}

await clients[process.argv[2]]()
