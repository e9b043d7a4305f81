-- Foreign keys and indexes of the tables in schema.sql.

CREATE INDEX ON unified_products (category_id);
CREATE INDEX ON unified_orders (location_id);
CREATE INDEX ON unified_orders (order_date);
CREATE INDEX ON unified_orders (order_timestamp);
CREATE INDEX ON unified_order_items (order_id);
CREATE INDEX ON unified_order_items (product_id);
CREATE INDEX ON unified_payments (order_id);

ALTER TABLE unified_products
    ADD FOREIGN KEY (category_id) REFERENCES unified_categories;

ALTER TABLE unified_orders
    ADD FOREIGN KEY (location_id) REFERENCES unified_locations;

ALTER TABLE unified_order_items
    ADD FOREIGN KEY (order_id) REFERENCES unified_orders,
    ADD FOREIGN KEY (product_id) REFERENCES unified_products;

ALTER TABLE unified_payments
    ADD FOREIGN KEY (order_id) REFERENCES unified_orders;
